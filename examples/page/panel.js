// One side of the page: a client of its own, and what it shows. Whatever a server or a person says is shown as text, never as markup.
'use strict'

/* global supabase */

class Panel {
  #root = document.querySelector('template').content.cloneNode(true).firstElementChild
  #project
  #client
  #organization = null
  #organizations = []
  /** Of the answers to an older question none is shown. */
  #turn = 0

  /** `project` has the publishable key, and the schema of the tables. */
  constructor(name, project) {
    this.#project = project
    this.#root.id = name.toLowerCase()
    this.#find('h2').textContent = name
    // In memory alone: what is stored, or in the address, others can take.
    const auth = { persistSession: false, detectSessionInUrl: false, storageKey: name }
    const global = { fetch: (input, options) => this.#fetch(input, options) }
    this.#client = supabase.createClient(location.origin, project.key, { db: { schema: project.schema }, auth, global })
    this.#client.auth.onAuthStateChange((_, session) => this.#showUser(session?.user))
    this.#listen()
  }

  get element() {
    return this.#root
  }

  #find(selector) {
    return this.#root.querySelector(selector)
  }

  // ---- What people do

  #listen() {
    const { auth } = this.#client
    this.#on('.account', async ({ email, password }, choice) => {
      const { data, error } = await (choice === 'up' ? auth.signUp({ email, password }) : auth.signInWithPassword({ email, password }))
      if (error) throw error
      return data.session ? this.#load() : 'Confirm the address by the mail that was sent, then sign in.'
    })
    this.#click(this.#find('.sign-out'), async () => {
      const { error } = await auth.signOut()
      if (error) throw error
    })
    this.#on('.create-organization', async ({ name }) => this.#switch((await this.#ask('POST', '/organizations', { name })).id))
    this.#on('.accept', async ({ token }) => this.#switch((await this.#ask('POST', '/invitations/accept', { token })).org_id))
    this.#on('.switch', ({ id }) => this.#switch(id))
    this.#find('.organizations').addEventListener('change', (event) => this.#act(() => this.#switch(event.target.value)))
    this.#on('.add-note', async ({ body }) => {
      const { error } = await this.#client.from('notes').insert({ body })
      if (error) throw error
      return this.#load()
    })
    this.#on('.invite', async ({ role, email }) => {
      const made = await this.#ask('POST', `/organizations/${this.#organization}/invitations`, { role, email: email || null })
      this.#showOnce('.invitation', made.token)
    })
    this.#on('.create-key', async ({ name }) => this.#showKey(await this.#ask('POST', '/api-keys', { name })))
    this.#on('.use-key', async ({ key }) => {
      const headers = { apikey: key, 'Accept-Profile': this.#project.schema }
      const answer = await this.#send('/rest/v1/notes?select=body', { headers })
      const found = answer.ok ? `${(await answer.json()).length} notes` : 'refused'
      this.#find('.read-by-key').textContent = `${answer.status}: ${found}`
    })
    for (const button of this.#root.querySelectorAll('.hide')) {
      button.addEventListener('click', () => this.#hide(button.parentElement))
    }
  }

  /** `act` gets the fields of the form and the value of the button, and returns what to say. */
  #on(selector, act) {
    const form = this.#find(selector)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const fields = Object.fromEntries(new FormData(form))
      // No secret stays in a field.
      for (const secret of form.querySelectorAll('[name=password], [name=token], [name=key]')) secret.value = ''
      this.#act(async () => {
        const said = await act(fields, event.submitter?.value)
        form.reset()
        return said
      })
    })
  }

  #click(button, act) {
    button.addEventListener('click', () => this.#act(act))
  }

  async #act(act) {
    this.#root.ariaBusy = 'true'
    this.#say('')
    try {
      this.#say((await act()) ?? '')
    } catch (error) {
      this.#say(error.message)
    }
    this.#root.ariaBusy = 'false'
  }

  #switch(organization) {
    this.#organization = organization
    return this.#load()
  }

  // ---- What is asked

  /** With the current organization, where it counts. */
  #fetch(input, options = {}) {
    const headers = new Headers(options.headers)
    if (this.#organization && /^\/(?:rest\/v1\/|api-keys)/.test(new URL(input, location).pathname)) {
      headers.set('X-Organization', this.#organization)
    }
    return this.#send(input, { ...options, headers })
  }

  async #send(input, options) {
    const answer = await fetch(input, { ...options, credentials: 'omit' })
    const line = document.createElement('li')
    line.textContent = `${options.method ?? 'GET'} ${new URL(input, location).pathname} ${answer.status}`
    const lines = this.#find('.requests')
    lines.prepend(line)
    while (lines.children.length > 6) lines.lastChild.remove()
    return answer
  }

  /** What schema auth_http answers. */
  async #ask(method, path, body) {
    const { data } = await this.#client.auth.getSession()
    const headers = { apikey: this.#project.key, Authorization: `Bearer ${data.session?.access_token}`, 'Content-Type': 'application/json' }
    const answer = await this.#fetch(path, { method, headers, body: body && JSON.stringify(body) })
    const said = await answer.json()
    if (!answer.ok) throw new Error(said.message)
    return said
  }

  /** Reads everything anew. */
  async #load() {
    const turn = ++this.#turn
    this.#clear()
    const organizations = await this.#ask('GET', '/organizations')
    if (turn !== this.#turn) return
    this.#organizations = organizations
    this.#organization ??= organizations[0]?.id ?? null
    this.#showOrganizations()
    if (!this.#organization) return
    const notes = this.#client.from('notes').select('body, org_id').order('id').throwOnError()
    const answers = await Promise.allSettled([
      notes.then(({ data }) => data),
      this.#ask('GET', `/organizations/${this.#organization}/members`),
      this.#ask('GET', '/api-keys')
    ])
    if (turn !== this.#turn) return
    const [found, members, keys] = answers.map(({ value }) => value ?? [])
    this.#list('.notes', found, (note) => [note.body, ` (${this.#nameOf(note.org_id)})`])
    this.#list('.members', members, (member) => [member.user_id, ` ${member.role}`])
    this.#list('.keys', keys, (key) => this.#keyLine(key))
    return answers.find(({ reason }) => reason)?.reason.message
  }

  // ---- What is shown

  #say(text) {
    this.#find('.said').textContent = text
  }

  #showUser(user) {
    this.#find('.who').textContent = user?.email ?? 'nobody'
    this.#find('.account').hidden = Boolean(user)
    this.#find('.signed-in').hidden = this.#find('.sign-out').hidden = !user
    if (user) return
    this.#turn += 1
    this.#organization = null
    this.#organizations = []
    this.#clear()
    for (const shown of this.#root.querySelectorAll('.shown')) this.#hide(shown)
    for (const form of this.#root.querySelectorAll('form')) form.reset()
    this.#find('.read-by-key').textContent = ''
  }

  #clear() {
    for (const list of ['.notes', '.members', '.keys', '.organizations']) this.#find(list).replaceChildren()
    this.#find('.organization-id').textContent = ''
  }

  #nameOf(id) {
    return this.#organizations.find((known) => known.id === id)?.name ?? id
  }

  #showOrganizations() {
    const ids = this.#organizations.map(({ id }) => id)
    if (this.#organization && !ids.includes(this.#organization)) ids.push(this.#organization)
    this.#find('.organizations').replaceChildren(...ids.map((id) => new Option(this.#nameOf(id), id, false, id === this.#organization)))
    this.#find('.organization-id').textContent = this.#organization ?? ''
  }

  /** One line for each; `parts` returns texts and elements. */
  #list(selector, values, parts) {
    const lines = values.map((value) => {
      const line = document.createElement('li')
      line.append(...parts(value))
      return line
    })
    this.#find(selector).replaceChildren(...lines)
  }

  #keyLine(key) {
    const usage = document.createElement('span')
    const button = (name, act) => {
      const made = document.createElement('button')
      made.type = 'button'
      made.textContent = name
      this.#click(made, act)
      return made
    }
    const path = `/api-keys/${key.id}`
    const end = key.expires_at ? `until ${new Date(key.expires_at).toLocaleString()} ` : ''
    return [
      `${key.name} …${key.last4} ${end}`,
      button('Rotate', async () => this.#showKey(await this.#ask('POST', `${path}/rotate`))),
      button('Revoke', async () => {
        await this.#ask('DELETE', path)
        return this.#load()
      }),
      button('Usage', async () => {
        const days = await this.#ask('GET', `${path}/usage`)
        usage.textContent = days.map(({ day, uses }) => ` ${day}: ${uses}`).join() || ' none was recorded yet'
      }),
      usage
    ]
  }

  #showKey(made) {
    this.#showOnce('.key', made.key)
    return this.#load()
  }

  #showOnce(selector, secret) {
    const place = this.#find(selector)
    place.textContent = secret
    place.parentElement.hidden = false
  }

  #hide(shown) {
    shown.hidden = true
    shown.querySelector('output').textContent = ''
  }
}
