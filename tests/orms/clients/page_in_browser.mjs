// The page of examples/page in a Chromium, used as people use it. Prints what came of it.
// The environment has SOCKET (nginx's, where the client says its address), CHROMIUM, PASSWORD, and PICTURE, a file to write; with
// NOTES_ONLY it ends once both sides have notes.
import { chromium } from 'playwright-core'
import { openNginx } from './nginx.mjs'

const { SOCKET, CHROMIUM, PASSWORD, PICTURE } = process.env
setTimeout(() => {
  console.error('too slow')
  process.exit(1)
}, 150_000).unref()

const url = await openNginx(SOCKET)
const browser = await chromium.launch({ executablePath: CHROMIUM })
const context = await browser.newContext({ viewport: { width: 1100, height: 1000 }, reducedMotion: 'reduce' })
context.setDefaultTimeout(30_000)
const page = await context.newPage()

// What the browser sends, gets and complains about.
const requests = []
const secrets = new Set([PASSWORD])
const errors = []
const gathered = []
page.on('request', (request) => requests.push(request))
page.on('pageerror', (error) => errors.push(error.message))
page.on('dialog', (dialog) => errors.push(dialog.message()))
page.on('response', (response) => gathered.push(gather(response)))
async function gather(response) {
  if (!response.headers()['content-type']?.includes('json')) return
  const said = await response.json().catch(() => null)
  for (const name of ['access_token', 'refresh_token', 'token', 'key']) {
    if (said?.[name] && !response.url().endsWith('/project.json')) secrets.add(said[name])
  }
}
await page.addInitScript(() => {
  window.violations = []
  document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.effectiveDirective))
})

const panel = (id) => page.locator(`#${id}`)
const done = (id) => page.locator(`#${id}[aria-busy=false]`).waitFor()
const text = (id, selector) => panel(id).locator(selector).textContent()
const lines = (id, list) => panel(id).locator(`${list} li`).allTextContents()
async function press(id, name) {
  await panel(id).getByRole('button', { name, exact: true }).click()
  await done(id)
}
async function submit(id, form, fields, button) {
  for (const [name, value] of Object.entries(fields)) await panel(id).locator(`${form} [name=${name}]`).fill(value)
  await panel(id).locator(`${form} button`, { hasText: button }).click()
  await done(id)
  return text(id, '.said')
}
async function choose(id, name) {
  await panel(id).locator('.organizations').selectOption({ label: name })
  await done(id)
}
const useKey = async (id, key) => {
  await submit(id, '.use-key', { key })
  return text(id, '.read-by-key')
}

const said = {}
function end() {
  console.log(JSON.stringify(said))
  process.exit(0)
}
const opened = await page.goto(url)
said.status = opened.status()
await panel('b').waitFor()

const people = { a: ['cy@example.com', 'Acme Two'], b: ['di@example.com', 'Beta Two'] }
said.signUp = []
for (const [id, [email, name]] of Object.entries(people)) {
  said.signUp.push(await submit(id, '.account', { email, password: PASSWORD }, 'Sign up'), await text(id, '.who'))
  said.signUp.push(await submit(id, '.create-organization', { name }))
}
const MARKUP = `<img src=x onerror="document.title = 'taken'"><script>document.title = 'taken'</script>`
await submit('a', '.add-note', { body: 'a note of A' })
await submit('a', '.add-note', { body: MARKUP })
await submit('b', '.add-note', { body: 'a note of B' })
const acme = await text('a', '.organization-id')
// A's is read once more, now that there is one of B.
await choose('a', 'Acme Two')
said.notes = { a: await lines('a', '.notes'), b: await lines('b', '.notes') }
if (process.env.NOTES_ONLY) end()

// An organization that is not theirs.
said.foreign = [await submit('b', '.switch', { id: acme }), await lines('b', '.notes'), await lines('b', '.members'), await lines('b', '.keys')]
said.foreignWrite = [await submit('b', '.add-note', { body: 'smuggled' }), await lines('b', '.notes')]
await choose('b', 'Beta Two')
said.back = await lines('b', '.notes')

said.invite = await submit('a', '.invite', {})
const invitation = await text('a', '.invitation')
await panel('a').locator('.hide:visible').click()
said.hidden = await text('a', '.invitation')
said.accept = [await submit('b', '.accept', { token: invitation }), (await lines('b', '.notes')).length]
said.twice = await submit('b', '.accept', { token: invitation })
said.organizations = await panel('b').locator('.organizations option').allTextContents()
said.members = (await lines('b', '.members')).map((line) => line.split(' ')[1])
await choose('b', 'Beta Two')
said.own = await lines('b', '.notes')

// A key is shown once.
said.createKey = await submit('a', '.create-key', { name: 'deploy' })
const key = await text('a', '.key')
said.keys = (await lines('a', '.keys')).map((line) => line.split(' ')[0])
said.read = await useKey('a', key)
said.usage = ''
// Uses are recorded every few seconds.
for (let tries = 0; tries < 40 && !/\d: [1-9]/.test(said.usage); tries += 1) {
  await press('a', 'Usage')
  said.usage = await text('a', '.keys li span')
  await page.waitForTimeout(250)
}
said.usage = said.usage.split(': ')[1]
await press('a', 'Rotate')
const rotated = await text('a', '.key')
said.rotated = [await useKey('a', key), await useKey('a', rotated), rotated !== key]
await page.getByRole('button', { name: 'Hide', exact: true }).click()
await page.screenshot({ path: PICTURE, fullPage: true })
await panel('a').locator('.keys li').filter({ hasNotText: 'until' }).getByRole('button', { name: 'Revoke' }).click()
await done('a')
said.revoked = [(await lines('a', '.keys')).length, await useKey('a', rotated)]

// The session of A ends at once, and that of B stays.
const tokenOf = async (email) => {
  const found = requests.find((request) => request.url().includes('/signup') && request.postData().includes(email))
  return (await (await found.response()).json()).access_token
}
const tokens = [await tokenOf(people.a[0]), await tokenOf(people.b[0])]
const statuses = () => Promise.all(tokens.flatMap((token) => ['/rest/v1/notes', '/auth/v1/user', '/organizations'].map(async (path) => {
  const answer = await fetch(url + path, { headers: { Authorization: `Bearer ${token}`, 'Accept-Profile': 'api' } })
  return answer.status
})))
said.before = await statuses()
await press('a', 'Sign out')
said.after = await statuses()
said.signedOut = [await text('a', '.who'), await panel('a').locator('.signed-in li, .organizations option').count(), (await panel('a').innerText()).includes('note of A')]
await choose('b', 'Beta Two')
said.stays = await lines('b', '.notes')
said.wrong = await submit('a', '.account', { email: people.a[0], password: 'wrong' }, 'Sign in')
said.again = [await submit('a', '.account', { email: people.a[0], password: PASSWORD }, 'Sign in'), await lines('a', '.notes')]

// What is left in the browser.
said.kept = await page.evaluate(async () => [
  localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length, (await caches.keys()).length
])
said.address = [page.url() === `${url}/`, await page.evaluate(() => history.length)]
await Promise.all(gathered)
said.secrets = secrets.size
said.inAddresses = requests.filter((request) => [...secrets].some((secret) => decodeURIComponent(request.url()).includes(secret))).length
said.queries = [...new Set(requests.flatMap((request) => [...new URL(request.url()).searchParams.keys()]))].sort()
said.elsewhere = requests.filter((request) => new URL(request.url()).origin !== url).length
const headers = await Promise.all(requests.map((request) => request.allHeaders()))
said.told = headers.filter(({ referer, cookie }) => referer || cookie).length
said.errors = errors
said.markup = [await page.title(), await page.locator('img, main script').count()]
said.violations = await page.evaluate(() => window.violations)

// The browser does refuse, and says so.
said.refused = await page.evaluate(async (markup) => {
  const image = document.createElement('img')
  const tries = [
    () => document.body.insertAdjacentHTML('beforeend', markup),
    () => image.setAttribute('onerror', "document.title = 'taken'"),
    () => (image.src = '/x'),
    () => document.body.append(image),
    () => document.body.setAttribute('style', 'color: red'),
    () => fetch('https://example.com/')
  ]
  for (const attempt of tries) {
    try {
      await attempt()
    } catch {
      // What was refused is in the violations.
    }
  }
  await new Promise((passed) => setTimeout(passed, 200))
  return [...new Set(window.violations)].sort()
}, MARKUP)
said.afterwards = await page.title()
await browser.close()
end()
