// Does what docs/clients/http-drivers.md says, with its snippets beside this file; prints what came of it.
// The environment has HOST and DATABASE (through PgBouncer), TOKEN, OTHER (another organization's), FORGED, LIMITED (an API key for one use).
import pg from 'pg'
import { inspect } from 'node:util'
import { asUser } from './clients.mjs'

const { HOST, DATABASE, TOKEN, OTHER, FORGED, LIMITED } = process.env
const pool = new pg.Pool({ host: HOST, port: 6432, database: DATABASE, user: 'tenant', max: 4 })
const said = {}

// One statement for each transaction, as drivers over HTTP send it.
const send = (text, parameters) => pool.query(text, parameters)
const count = async () => Number((await send('select count(*) from invoices')).rows[0].count)
const failure = async (promise) => {
  try {
    await promise
  } catch (error) {
    const text = inspect(error, { depth: 9, showHidden: true })
    if ([TOKEN, OTHER, FORGED, LIMITED].some((secret) => text.includes(secret))) throw new Error('a credential is in an error')
    return [error.code, error.hint ?? null]
  }
}

Object.assign(globalThis, { send, credential: TOKEN })
const example = await import('./example.mjs')
said.example = [example.invoice, example.invoices]
said['one function'] = (await import('./invoices.mjs')).large.map((row) => row.amount)
said.outside = await count()
said.other = (await asUser(send, OTHER, 'select amount from invoices order by id -- a comment')).length

const counted = 'select count(*) from invoices'
const many = await Promise.all(Array.from({ length: 40 }, (_, n) => asUser(send, n % 2 ? TOKEN : OTHER, counted)))
said.many = [...new Set(many.map((seen, n) => `${n % 2 ? 'own' : 'other'} ${seen[0].count}`))].sort()

said.forged = await failure(asUser(send, FORGED, counted))
said.missing = await failure(asUser(send, null, counted))
said.denied = await failure(asUser(send, TOKEN, 'insert into invoices (org_id, amount) values (gen_random_uuid(), 1) returning id'))
await asUser(send, LIMITED, counted)
said.limited = await failure(asUser(send, LIMITED, counted))
said.within = await failure(asUser(send, TOKEN, 'with w as (insert into invoices (amount) values (1) returning id) select * from w'))
said.afterwards = await count()
await pool.end()
console.log(JSON.stringify(said))
