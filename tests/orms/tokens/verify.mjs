// Says whether jose takes a token, as its documentation does it, by the key set beside this file.
// usage: verify.mjs TOKEN AUDIENCE
import { readFileSync } from 'node:fs'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'

const [token, audience] = process.argv.slice(2)
const keys = createLocalJWKSet(JSON.parse(readFileSync('jwks.json')))
try {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['ES256', 'RS256', 'EdDSA'],
    issuer: 'https://own.example',
    audience,
    requiredClaims: ['exp', 'iat', 'sub'],
  })
  console.log('good', payload.sub)
} catch (error) {
  if (!(error instanceof errors.JOSEError)) throw error
  console.log('refused', error.code)
}
