// The same paths against a real stack: what is shown was measured, stored and pushed by the services.
import { mkdirSync } from 'node:fs'
import { expect, test, type Page } from '@playwright/test'

const SHOTS = process.env.SHOTS ?? 'shots'
const email = process.env.YARD_EMAIL ?? ''
const password = process.env.YARD_PASSWORD ?? ''
const tenant = process.env.YARD_TENANT ?? ''

const faults: string[] = []

test.beforeAll(() => {
  expect(process.env.BASE_URL, 'BASE_URL must be set').toBeTruthy()
  expect(email && password, 'YARD_EMAIL and YARD_PASSWORD must be set').toBeTruthy()
  mkdirSync(SHOTS, { recursive: true })
})

test.beforeEach(async ({ page }) => {
  faults.length = 0
  page.on('console', (message) => {
    const text = `${message.text()} ${message.location().url}`
    if (message.type() === 'error' && !text.includes('/api/v1/me')) faults.push(text)
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  await page.goto('/')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  if (tenant) await page.getByLabel('Tenant').fill(tenant)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(/\/t\/[^/]+\/devices/)
  await expect(page.getByTestId('link-state')).toHaveText('Live')
})

test.afterEach(() => expect(faults, 'console errors').toEqual([]))

const shot = (page: Page, name: string) => page.screenshot({ path: `${SHOTS}/${name}.png` })

async function openOnlineDevice(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Online/ }).click()
  const row = page.locator('.grid-row').first()
  await expect(row).toContainText('Online')
  await row.click()
  await expect(page.getByTestId('presence')).toContainText('Online')
}

test('devices are listed with their state', async ({ page }) => {
  const online = page.getByRole('button', { name: /^Online/ }).locator('.n')
  await expect(online).not.toHaveText(/^(0|–)$/)
  await expect(page.locator('.grid-row').first()).toBeVisible()
  await shot(page, 'devices')
})

test('readings arrive while one looks', async ({ page }) => {
  await openOnlineDevice(page)
  await expect(page.getByRole('img', { name: /: between/ }).first()).toBeVisible()
  const message = page.getByText('Message', { exact: true }).locator('xpath=following-sibling::dd[1]')
  const before = await message.textContent()
  await expect(message).not.toHaveText(before ?? '', { timeout: 60_000 })
  await shot(page, 'device-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  await shot(page, 'device-dark')
})

test('command is sent and seen to succeed', async ({ page }) => {
  await openOnlineDevice(page)
  await page.getByRole('link', { name: 'Commands' }).click()
  const form = page.getByRole('form', { name: 'Send a command' })
  await expect(form).toBeVisible()
  // Whatever the contract asks for: each needed input gets the least value it allows.
  for (const input of await form.locator('input[aria-required="true"]').all()) {
    if (await input.inputValue()) continue
    const note = await form.locator(`#${await input.getAttribute('aria-describedby')}`).textContent().catch(() => '')
    await input.fill(/(-?[\d.]+) to/.exec(note ?? '')?.[1] ?? '1')
  }
  await form.locator('button[type="submit"]').click()
  await expect(page.getByTestId('command-state')).toHaveText('Succeeded', { timeout: 30_000 })
  await shot(page, 'command')
})
