import AxeBuilder from '@axe-core/playwright'
import { test as base, expect, type Page } from '@playwright/test'
// The fake is plain JavaScript, so that it also runs without a build step.
import { PASSWORD } from '../test/fakes/data.mjs'
import { startGateway } from '../test/fakes/gateway.mjs'

export type Gateway = Awaited<ReturnType<typeof startGateway>>

interface Watch {
  /** Console errors, uncaught exceptions and policy violations since the page was opened. */
  faults: string[]
  /** Refusals a test causes on purpose: part of the message or address. */
  allow: (part: string) => void
}

declare global {
  interface Window {
    policyViolations?: string[]
  }
}

export const test = base.extend<{ watch: Watch }, { gateway: Gateway }>({
  gateway: [
    // Playwright reads the fixture's needs from this parameter, so it must be destructured.
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const gateway = await startGateway({ deviceCount: 10_000, readingEvery: 400 })
      await use(gateway)
      gateway.close()
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ gateway }, use) => use(gateway.url),
  watch: [
    async ({ page }, use) => {
      const faults: string[] = []
      // Nobody is signed in when the console first asks who is.
      const allowed = ['/api/v1/me']
      page.on('console', (message) => {
        const text = `${message.text()} ${message.location().url}`
        if (message.type() === 'error' && !allowed.some((part) => text.includes(part))) faults.push(text)
      })
      page.on('pageerror', (error) => faults.push(String(error)))
      await page.addInitScript(() => {
        window.policyViolations = []
        document.addEventListener('securitypolicyviolation', (event) => {
          window.policyViolations?.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`)
        })
      })
      await use({ faults, allow: (part) => void allowed.push(part) })
      faults.push(...(await page.evaluate(() => window.policyViolations ?? []).catch(() => [])))
      expect(faults, 'console errors and policy violations').toEqual([])
    },
    { auto: true },
  ],
})

export { expect, PASSWORD }

export async function signIn(page: Page, email = 'owner@aqua.example'): Promise<void> {
  await page.goto('/sign-in')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(/\/(t|ops)\//)
}

export const live = (page: Page) => expect(page.getByTestId('link-state')).toHaveText('Live')

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Nothing that axe finds on the page as it is now. */
export async function clean(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze()
  const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(' | ')}`)
  expect(found, where).toEqual([])
}
