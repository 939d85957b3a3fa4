// Writes jose.json beside itself: a token of every algorithm made by npm's jose. Every run makes new keys.
//
//     mkdir /tmp/jose && cd /tmp/jose && npm install jose
//     cp <repository>/tests/vectors/make_jose.mjs . && node make_jose.mjs <repository>/tests/vectors
//
// The copy is because Node looks for packages beside the script.

import { randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { base64url, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'

const algorithms =
  'HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

const sign = (header, key) =>
  new SignJWT({ scope: 'read write' })
    .setProtectedHeader(header)
    .setIssuer('https://issuer.example')
    .setAudience(['other', 'api'])
    .setSubject(randomUUID())
    .setIssuedAt(1767225600) // 2026-01-01
    .setExpirationTime(4102444800) // 2100-01-01
    .sign(key)

const entry = async (alg) => {
  const kid = `jose-${alg.toLowerCase()}`
  const made = { alg, kid }
  let key
  if (alg.startsWith('HS')) {
    key = randomBytes(Number(alg.slice(2)) / 8)
    made.secret = base64url.encode(key)
  } else {
    const pair = await generateKeyPair(alg, { extractable: true })
    key = pair.privateKey
    made.jwk = await exportJWK(pair.publicKey)
    made.pem = await exportSPKI(pair.publicKey)
  }
  made.token = await sign({ alg, kid, typ: 'at+jwt' }, key)
  made.token_without_kid = await sign({ alg }, key)
  return made
}

const entries = []
for (const alg of algorithms) entries.push(await entry(alg))
writeFileSync(`${process.argv[2] ?? '.'}/jose.json`, JSON.stringify(entries, null, 1) + '\n')
