// What the page has for browsers: supabase-js signs in, and an EventSource reads drifts. Prints what came of it.
// node --experimental-eventsource client.mjs, with SUPABASE_URL and SUPABASE_ANON_KEY (a publishable key).
import { createClient } from '@supabase/supabase-js'

const { SUPABASE_URL, SUPABASE_ANON_KEY } = process.env
const said = {}

const supabase = createClient(SUPABASE_URL, SUPABASE_ANON_KEY)

const wrong = await supabase.auth.signInWithPassword({ email: 'user@example.com', password: 'wrong' })
said.wrong = [wrong.error.status, wrong.error.code]
const { data, error } = await supabase.auth.signInWithPassword({
  email: 'user@example.com',
  password: 'your-password',
})
const token = data.session.access_token
said.signIn = [error, data.session.token_type, data.session.expires_in, data.user.email]
const claims = await supabase.auth.getClaims()
said.getClaims = [claims.error, claims.data.header.alg]

const Authorization = `Bearer ${token}`
said.resources = await (await fetch(`${SUPABASE_URL}/v1/resources`, { headers: { Authorization } })).json()

const ask = async () => (await fetch(`${SUPABASE_URL}/tickets`, { method: 'POST', headers: { Authorization } })).json()
// What is told until so many events came, or the stream ends for good.
const drifts = (credential, count) => new Promise((done) => {
  const events = []
  const source = new EventSource(`${SUPABASE_URL}/api/ws/drifts?token=${credential}`)
  source.addEventListener('drift', ({ data }) => {
    events.push(JSON.parse(data).what)
    if (events.length === count) {
      source.close()
      done(events)
    }
  })
  source.onerror = () => source.readyState === EventSource.CLOSED && done('closed')
})
said.withToken = await drifts(token, 2)
const { ticket } = await ask()
said.withTicket = await drifts(ticket, 2)
said.twice = await drifts(ticket, 2)
said.spoiled = await drifts(`${token}x`, 2)

said.signOut = (await supabase.auth.signOut()).error
said.late = await drifts(token, 2)
console.log(JSON.stringify(said))
process.exit(0)
