// Starts `script/server --demo` on free ports with a folder of its own, once for all browser tests, and stops it.
//
// IGNY8_ADMIN says whose panel is at /admin: `app` or `core`. IGNY8_ROOT is the repository where it is not the folder above; IGNY8_DEMO names the demo.json of a server that runs already.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { TestProject } from 'vitest/node'

export interface Person {
  email: string
  password: string
}
export interface Demo {
  url: string
  staff: Person
  owner: Person
  other: Person
  /** With the app's own panel. */
  app_admin?: { username: string; password: string }
  /** The folder that mail is laid down in. */
  mail: string
}

/** What `demo.json` says, and where the mail of its server lies. */
const readDemo = (file: string): Demo => ({
  ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<Demo, 'mail'>),
  mail: join(dirname(file), 'mail'),
})

declare module 'vitest' {
  interface ProvidedContext {
    demo: Demo
  }
}

const START_MS = 25 * 60_000
const PORTS = 6

/** Limits that no test meets by accident. */
const LIMITS = ['default', 'plan.free-trial', 'address', 'cold', 'scope.auth']
  .map((table) => `[${table}]\nrate = "600000/m"\nburst = 100000\n`)
  .join('')

export default async function setup(project: TestProject) {
  const running = process.env.IGNY8_DEMO
  if (running !== undefined) {
    project.provide('demo', readDemo(running))
    return
  }
  const root = resolve(process.env.IGNY8_ROOT ?? '..')
  const folder = mkdtempSync(join(tmpdir(), 'igny8-browser-'))
  const limits = join(folder, 'limits.toml')
  writeFileSync(limits, LIMITS)
  const port = await freePorts()
  const script = join(root, 'script/server')
  const server = spawn(
    script,
    [
      '--port',
      String(port),
      '--var',
      join(folder, 'var'),
      '--limits',
      limits,
      '--admin',
      process.env.IGNY8_ADMIN ?? 'app',
      '--demo',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let said = ''
  const ready = new Promise<void>((settled, failed) => {
    const timer = setTimeout(() => {
      failed(new Error(`script/server was not ready in time:\n${said}`))
    }, START_MS)
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      if (!/^ready http/m.test(said)) return
      clearTimeout(timer)
      settled()
    }
    server.stdout.on('data', hear)
    server.stderr.on('data', hear)
    server.once('exit', (code) => {
      failed(new Error(`script/server ended with ${String(code)}:\n${said}`))
    })
  })
  const stop = async () => {
    const gone = new Promise((settled) => server.once('exit', settled))
    if (server.exitCode === null && server.kill('SIGTERM')) await gone
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await ready
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('demo', readDemo(join(folder, 'var/demo.json')))
  return stop
}

/** The first of so many free ports in a row. */
async function freePorts(): Promise<number> {
  for (let first = 26_000 + (process.pid % 4_000); ; first += PORTS) {
    const free = await Promise.all(Array.from({ length: PORTS }, (_, index) => isFree(first + index)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settled) => {
    const probe = createServer()
    probe.once('error', () => {
      settled(false)
    })
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        settled(true)
      })
    })
  })
}
