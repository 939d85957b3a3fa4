// Does what docs/clients/node-postgres.md says, with its snippets beside this file; prints what came of it.
// The environment has HOST and DATABASE (through PgBouncer), TOKEN, OTHER (another organization's), FORGED, LIMITED (an API key for one use).
import { inspect } from 'node:util'
import { makePool, withCredential } from './clients.mjs'

const { HOST, DATABASE, TOKEN, OTHER, FORGED, LIMITED } = process.env
const pool = makePool({ host: HOST, port: 6432, database: DATABASE, user: 'tenant', max: 4 })
const said = {}

const count = async (client) => Number((await client.query('select count(*) from invoices')).rows[0].count)
const failure = async (promise) => {
  try {
    await promise
  } catch (error) {
    const text = inspect(error, { depth: 9, showHidden: true })
    if ([TOKEN, OTHER, FORGED, LIMITED].some((secret) => text.includes(secret))) throw new Error('a credential is in an error')
    return [error.code, error.hint ?? null, error.message]
  }
}

Object.assign(globalThis, { pool, credential: TOKEN })
said.example = (await import('./example.mjs')).invoices.map((row) => row.amount)
said.outside = await count(pool)
said.other = await withCredential(pool, OTHER, count)
const many = await Promise.all(Array.from({ length: 40 }, (_, n) => withCredential(pool, n % 2 ? TOKEN : OTHER, count)))
said.many = [...new Set(many.map((seen, n) => `${n % 2 ? 'own' : 'other'} ${seen}`))].sort()

said.forged = await failure(withCredential(pool, FORGED, count))
said.denied = await failure(withCredential(pool, TOKEN, (client) =>
  client.query('insert into invoices (org_id, amount) values (gen_random_uuid(), 1)')))
await failure(withCredential(pool, LIMITED, count))
said.limited = await failure(withCredential(pool, LIMITED, count))

said['caught within'] = await failure(withCredential(pool, TOKEN, async (client) => {
  await client.query('insert into invoices (amount) values (200)')
  await client.query('select 1 / 0').catch(() => {})
}))
said.savepoint = await withCredential(pool, TOKEN, async (client) => {
  await client.query('insert into invoices (amount) values (300)')
  await client.query('savepoint s')
  await client.query('select 1 / 0').catch(() => client.query('rollback to s'))
  return count(client)
})
said['another connection'] = await withCredential(pool, TOKEN, () => count(pool))
// Of a connection that breaks nothing is left in the pool.
said.broken = await failure(withCredential(pool, TOKEN, async (client) => {
  client.connection.stream.destroy()
  await count(client)
}))
said.afterwards = [await count(pool), pool.totalCount - pool.idleCount]

// What the page warns of.
const careless = await pool.connect()
await careless.query('begin')
await careless.query('select auth.authenticate($1)', [TOKEN])
careless.release()
const next = await pool.connect()
said['not rolled back'] = next === careless ? await count(next) : 'another client'
await next.query('rollback')
next.release()
await pool.end()
console.log(JSON.stringify(said))
