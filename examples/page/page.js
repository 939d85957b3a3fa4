// Two clients on one page.
'use strict'

/* global Panel */

fetch('/page/project.json', { credentials: 'omit' })
  .then((answer) => answer.json())
  .then((project) => document.querySelector('main').append(...['A', 'B'].map((name) => new Panel(name, project).element)))
