import { defineConfig } from '@playwright/test'

// Against a running stack. Set by whoever starts it:
//   BASE_URL  where the gateway serves the console, for example http://127.0.0.1:8070
//   YARD_EMAIL, YARD_PASSWORD, YARD_TENANT (optional)  a person who may control devices
//   SHOTS     folder for the screenshots (default: shots)
export default defineConfig({
  testDir: 'e2e-live',
  outputDir: 'test-results',
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    baseURL: process.env.BASE_URL,
    ignoreHTTPSErrors: true,
    browserName: 'chromium',
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
    screenshot: 'only-on-failure',
  },
})
