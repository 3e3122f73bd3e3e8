// One package, three front ends: the app, the marketing site and the public sites. Each is an HTML entry of its own.
import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { compressed } from './vite.gzip.ts'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
// Where `script/server` listens; the development server forwards what is not its own.
const backend = process.env.IGNY8_URL ?? 'http://127.0.0.1:8080'

// The Host stays the browser's own, or signing out would be refused as somebody else's.
const forwarded = Object.fromEntries(
  ['/api', '/admin', '/static'].map((path) => [path, { target: backend, changeOrigin: false }]),
)

export default defineConfig({
  plugins: [react(), tailwind(), compressed()],
  resolve: { alias: { '@': at('./src') } },
  server: { port: 5173, proxy: forwarded },
  preview: { proxy: forwarded },
  build: {
    outDir: 'dist',
    manifest: true,
    // Nothing inline: the content security policy allows files of our own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        app: at('./index.html'),
        marketing: at('./marketing/index.html'),
        published: at('./published/index.html'),
      },
    },
  },
  test: {
    environment: 'jsdom',
    environmentOptions: { jsdom: { url: 'http://localhost/' } },
    include: ['src/**/*.test.{ts,tsx}', 'tests/**/*.test.ts'],
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
    testTimeout: 20_000,
  },
})
