// The proxy of docs/postgrest.md in front of a PostgREST that listens at a unix socket: resolves to its URL.
import { createServer, request } from 'node:http'

export function startProxy(socketPath, constant) {
  const server = createServer((client, answer) => {
    const headers = { ...client.headers }
    if (headers.authorization) {
      headers['x-credential'] = headers.authorization
      headers.authorization = `Bearer ${constant}`
    }
    const { method, url: path } = client
    const passed = request({ socketPath, method, path, headers }, (found) => {
      answer.writeHead(found.statusCode, found.headers)
      found.pipe(answer)
    })
    client.pipe(passed)
  })
  server.unref()
  return new Promise((started) => server.listen(0, '127.0.0.1', () => started(`http://127.0.0.1:${server.address().port}`)))
}
