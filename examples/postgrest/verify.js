// Sends the token of a mail once somebody presses the button. It is in the fragment, which no server sees, or in the query.
'use strict'

const message = document.getElementById('message')
const button = document.getElementById('confirm')
const given = new URLSearchParams(location.hash.slice(1) || location.search)
const token = given.get('token_hash') ?? given.get('token')
const isReset = given.get('type') === 'recovery'
// Out of the history.
history.replaceState(null, '', location.pathname)
document.getElementById('password').hidden = !isReset

button.addEventListener('click', async () => {
  const body = { token_hash: token, type: given.get('type') }
  if (isReset) {
    body.password = document.getElementById('new_password').value
    if (body.password === '') {
      message.textContent = 'Type a new password.'
      return
    }
  }
  button.disabled = true
  try {
    const answer = await fetch('/auth/v1/verify', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body)
    })
    const said = await answer.json()
    message.textContent = answer.ok ? 'Done. You can close this page and sign in.' : said.msg ?? said.message
    button.hidden = answer.ok
  } catch {
    message.textContent = 'The server did not answer. Try again.'
  }
  button.disabled = false
})
