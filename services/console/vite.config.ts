import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// Where `npm run dev` finds the services; the sockets go the same way as in production.
const gateway = process.env.YARD_GATEWAY ?? 'http://127.0.0.1:8070'
const proxied = ['/api', '/broadcasting', '/app', '/.well-known']

export default defineConfig({
  plugins: [vue(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    // The budget script walks this and then deletes it: it must not be served.
    manifest: true,
    // A data: URL is refused by the content security policy for fonts.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(
      proxied.map((path) => [path, { target: gateway, changeOrigin: false, ws: path === '/app' }]),
    ),
  },
  test: {
    environment: 'happy-dom',
    include: ['test/**/*.test.ts'],
  },
})
