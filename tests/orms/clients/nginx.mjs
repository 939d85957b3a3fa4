// nginx's socket where clients say their address, at a URL: browsers and libraries do not speak to unix sockets.
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'

/** Resolves to the URL. Limits are per address, and each request has one of its own. */
export async function openNginx(path) {
  let count = 0
  const agent = new Agent({ keepAlive: false })
  agent.createConnection = () => {
    const socket = connect(path)
    count += 1
    socket.write(`PROXY TCP4 10.77.${count >> 8}.${count & 255} 192.0.2.1 1024 443\r\n`)
    return socket
  }
  const server = createServer((client, answer) => {
    const { method, url, headers } = client
    const passed = request({ agent, method, path: url, headers }, (found) => {
      answer.writeHead(found.statusCode, found.headers)
      found.pipe(answer)
    })
    client.pipe(passed)
  })
  server.unref()
  await new Promise((started) => server.listen(0, '127.0.0.1', started))
  return `http://127.0.0.1:${server.address().port}`
}
