// Does what docs/clients/postgrest-js.md says, with its snippets beside this file; prints what came of it.
// The environment has SOCKET and CONSTANT (PostgREST's), TOKEN, OTHER (another organization's), FORGED, KEY, LIMITED (API keys, one for one use).
import { inspect } from 'node:util'
import { clientOf } from './clients.mjs'
import { startProxy } from './proxy.mjs'

const { SOCKET, CONSTANT, TOKEN, OTHER, FORGED, KEY, LIMITED } = process.env
const url = await startProxy(SOCKET, CONSTANT)
const said = {}

const of = (credential) => clientOf(url, () => credential)
const bodies = async (client) => {
  const answer = await client.from('notes').select('body').order('id')
  const text = inspect(answer.error, { depth: 9, showHidden: true })
  if ([TOKEN, OTHER, FORGED, KEY, LIMITED].some((secret) => text.includes(secret))) throw new Error('a credential is in an error')
  return answer.error ? [answer.status, answer.error.code, answer.error.hint] : answer.data.map((row) => row.body)
}

Object.assign(globalThis, { url, credential: TOKEN })
const example = await import('./example.mjs')
said.example = [example.status, example.error, example.notes]
said.other = await bodies(of(OTHER))
said.key = await bodies(of(KEY))

// Requests of many clients at a time, over few sessions.
const nobody = new (of(TOKEN).constructor)(url)
const clients = [of(TOKEN), of(OTHER), of(KEY), nobody]
const many = await Promise.all(Array.from({ length: 80 }, (_, n) => bodies(clients[n % 4])))
said.many = [...new Set(many.map((seen, n) => `${n % 4}: ${JSON.stringify(seen)}`))].sort()

const credentials = [TOKEN, OTHER]
const changing = clientOf(url, async () => credentials.shift())
said.refreshed = [await bodies(changing), await bodies(changing)]

said.forged = await bodies(of(FORGED))
const foreign = await of(TOKEN).from('notes').insert({ body: 'x', org_id: crypto.randomUUID() })
said.denied = [foreign.status, foreign.error.code]
await bodies(of(LIMITED))
said.limited = await bodies(of(LIMITED))
console.log(JSON.stringify(said))
