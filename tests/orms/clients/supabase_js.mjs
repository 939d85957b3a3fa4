// supabase-js as it comes from npm, at an address where nginx listens. Prints what came of it.
// The environment has SOCKET (nginx's, where the client says its address), APIKEY (a publishable key), PASSWORD.
import { createInterface } from 'node:readline'
import { createClient } from '@supabase/supabase-js'
import { openNginx } from './nginx.mjs'

const { SOCKET, APIKEY, PASSWORD } = process.env

const url = await openNginx(SOCKET)

// Whoever runs this answers with the token of the last mail.
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const mailed = async () => {
  console.log('mail?')
  return (await lines.next()).value
}

const auth = { autoRefreshToken: false, persistSession: true, detectSessionInUrl: false }
// The schema whose tables PostgREST serves; the library's own is public.
const db = { schema: 'api' }
const memory = () => {
  const items = new Map()
  return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) }
}
const open = () => createClient(url, APIKEY, { db, auth: { ...auth, storage: memory() } })
const said = {}
const failed = ({ error }) => [error?.status, error?.code, error?.name]

const ada = open()
const events = []
ada.auth.onAuthStateChange((event) => void events.push(event))
const credentials = { email: 'ada@example.com', password: PASSWORD }

said.nobody = [(await ada.auth.getSession()).data.session, failed(await ada.auth.getUser())]
said.hidden = (await ada.from('notes').select()).error.code
const signedUp = await ada.auth.signUp({ ...credentials, options: { data: { name: 'Ada' } } })
said.signUp = [signedUp.error, signedUp.data.session, signedUp.data.user.email, signedUp.data.user.identities.length]
said.unconfirmed = failed(await ada.auth.signInWithPassword(credentials))
const verified = await ada.auth.verifyOtp({ token_hash: await mailed(), type: 'signup' })
said.verifyOtp = [verified.error, verified.data.user.user_metadata]

said.wrong = failed(await open().auth.signInWithPassword({ ...credentials, password: 'wrong' }))
const signedIn = await ada.auth.signInWithPassword(credentials)
said.signInWithPassword = [signedIn.error, signedIn.data.session.token_type, signedIn.data.session.expires_in]
const user = await ada.auth.getUser()
said.getUser = [user.error, user.data.user.email, user.data.user.role]
// It verifies the token with our key set.
const claims = await ada.auth.getClaims()
said.getClaims = [claims.error, claims.data.header.alg, claims.data.claims.sub === user.data.user.id, claims.data.claims.aal]

const notes = () => ada.from('notes')
said.insert = (await notes().insert({ body: 'one' }).select('body')).data
said.upsert = (await notes().upsert({ body: 'one' }, { onConflict: 'body' }).select('body')).data
said.update = (await notes().update({ body: 'two' }).eq('body', 'one').select('body')).data
said.select = (await notes().select('body')).data
const whoami = await ada.rpc('whoami')
said.rpc = [whoami.error, whoami.data?.user === user.data.user.id]

const before = signedIn.data.session
const refreshed = await ada.auth.refreshSession()
said.refreshSession = [refreshed.error, refreshed.data.session.refresh_token !== before.refresh_token]
said.afterwards = (await notes().select('body')).data
const updated = await ada.auth.updateUser({ data: { age: 36 } })
said.updateUser = [updated.error, updated.data.user.user_metadata]
said.stolen = failed(await ada.auth.updateUser({ password: 'a password of a thief' }))

const other = open()
const guest = await other.auth.signInAnonymously()
said.signInAnonymously = [guest.error, guest.data.user.is_anonymous]
said.apart = (await other.from('notes').select('body')).data

said.reset = await ada.auth.resetPasswordForEmail(credentials.email)
const recovered = open()
const recovery = await recovered.auth.verifyOtp({ token_hash: await mailed(), type: 'recovery' })
const set = await recovered.auth.updateUser({ password: 'another password' })
said.recovered = [recovery.error, set.error, (await recovered.auth.getUser()).data.user.email]
// The others have ended.
said.ended = failed(await ada.auth.getUser())
said.magic = [(await open().auth.signInWithOtp({ email: credentials.email })).error, (await open().auth.verifyOtp({ token_hash: await mailed(), type: 'email' })).error]

const again = await ada.auth.signInWithPassword({ ...credentials, password: 'another password' })
said.again = again.error
said.delete = (await notes().delete().eq('body', 'two').select('body')).data
said.signOut = (await ada.auth.signOut()).error
said.signedOut = [(await ada.auth.getSession()).data.session, (await notes().select()).error.code]
const late = createClient(url, APIKEY, { db, accessToken: async () => again.data.session.access_token })
said.late = (await late.from('notes').select()).status
said.events = events
console.log(JSON.stringify(said))
process.exit(0)
