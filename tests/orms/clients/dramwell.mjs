// A front-end of DramWell's, with supabase-js as it comes from npm. Prints what came of it.
// The environment has SOCKET (nginx's, where the client says its address), APIKEY (a publishable key), EMAIL, PASSWORD.
import { createClient } from '@supabase/supabase-js'
import { openNginx } from './nginx.mjs'

const { SOCKET, APIKEY, EMAIL, PASSWORD } = process.env
const url = await openNginx(SOCKET)
const supabase = createClient(url, APIKEY)
const said = {}
const failed = ({ error }) => [error?.status, error?.code]

const ask = async (token) => {
  const response = await fetch(`${url}/v1/jobs`, { headers: { Authorization: `Bearer ${token}` } })
  return [response.status, response.headers.get('www-authenticate'), response.ok ? (await response.json()).map(({ title }) => title) : null]
}
// What the page says: the session's token, and no additional key.
const jobs = async () => {
  const { data: { session } } = await supabase.auth.getSession()
  return ask(session?.access_token)
}

said.nobody = await jobs()
said.wrong = failed(await supabase.auth.signInWithPassword({ email: EMAIL, password: 'wrong' }))
const { data: { session }, error } = await supabase.auth.signInWithPassword({ email: EMAIL, password: PASSWORD })
said.signInWithPassword = [error, session.token_type, session.expires_in, session.user.email]
said.jobs = await jobs()
const refreshed = await supabase.auth.refreshSession()
const next = refreshed.data.session
said.refreshSession = [refreshed.error, next.expires_in, next.access_token !== session.access_token, next.refresh_token !== session.refresh_token]
said.refreshed = await jobs()
said.getUser = (await supabase.auth.getUser()).data.user.email
said.signOut = (await supabase.auth.signOut()).error
said.signedOut = await jobs()
said.late = [await ask(session.access_token), await ask(next.access_token)]
said.lateRefresh = failed(await supabase.auth.refreshSession(next))
console.log(JSON.stringify(said))
process.exit(0)
