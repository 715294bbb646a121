import type { Page } from '@playwright/test'
import { clean, expect, live, signIn, test } from './fixtures'

const rail = (page: Page) => page.getByRole('navigation', { name: 'Main' })
const dialog = (page: Page) => page.getByRole('dialog', { name: 'Your organisations' })
const open = (page: Page) => rail(page).getByRole('button', { name: /^Organisation:/ }).click()

test('goes over by the keyboard, and nothing of the organisation before is left', async ({ page }) => {
  await signIn(page, 'operator@aqua.example')
  await live(page)
  await expect(page.locator('.grid-row').first()).toBeVisible()
  await page.evaluate(() => Object.assign(window, { before: true }))
  await page.keyboard.press('g')
  await page.keyboard.press('x')
  await expect(dialog(page).getByRole('row', { name: /Aqua Valley Water/ })).toContainText('you are here')
  await expect(dialog(page).getByRole('row', { name: /Orchard Homes/ })).toContainText('suspended')
  await expect(dialog(page).getByRole('button', { name: 'Go to Orchard Homes' })).toHaveCount(0)
  const there = dialog(page).getByRole('button', { name: 'Go to Harbour Authority' })
  while (!(await there.evaluate((it) => it === document.activeElement))) await page.keyboard.press('Tab')
  const joined = page.waitForRequest((request) => request.url().endsWith('/broadcasting/auth') && (request.postData() ?? '').includes('0002'))
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/t\/harbour\/devices$/)
  await expect(rail(page).getByRole('button', { name: 'Organisation: Harbour Authority' })).toBeVisible()
  await expect(page.locator('.grid-row')).toHaveCount(0)
  await joined
  expect(await page.evaluate(() => 'before' in window)).toBe(false)
  await live(page)
})

test('other tabs go with it instead of showing the one under the name of the other', async ({ page, context }) => {
  test.slow()
  await signIn(page, 'operator@aqua.example')
  const other = await context.newPage()
  await other.goto('/t/aqua/devices')
  await expect(other.locator('.grid-row').first()).toBeVisible()
  await open(page)
  await dialog(page).getByRole('button', { name: 'Go to Harbour Authority' }).click()
  await expect(page).toHaveURL(/\/t\/harbour\//)
  await expect(other.getByText('This link belongs to “aqua”')).toBeVisible()
  await other.getByRole('button', { name: 'Go over to it' }).click()
  await expect(other.locator('.grid-row').first()).toBeVisible()
  await expect(page.getByText('This link belongs to “harbour”')).toBeVisible()
})

test('link of an organisation that one does not belong to says so', async ({ page, watch }) => {
  watch.allow('404')
  await signIn(page)
  await page.goto('/t/nowhere/audit')
  await page.getByRole('button', { name: 'Go over to it' }).click()
  await expect(page.getByRole('alert')).toContainText('You do not belong to “nowhere”')
  await expect(page.getByRole('button', { name: 'Go over to it' })).toHaveCount(0)
})

test('refusal and fault stay in the dialog, with the way on', async ({ page, gateway, watch }) => {
  watch.allow('503')
  watch.allow('409')
  await signIn(page, 'operator@aqua.example')
  gateway.control.break('/api/v1/me/memberships', 503, 'service.unavailable')
  await open(page)
  await dialog(page).getByRole('button', { name: 'Try again' }).click()
  await expect(dialog(page).getByRole('row', { name: /Harbour Authority/ })).toBeVisible()
  gateway.control.break('/api/v1/sessions/current/tenant', 409, 'resource.stale')
  await dialog(page).getByRole('button', { name: 'Go to Harbour Authority' }).click()
  await expect(dialog(page).getByRole('alert')).toContainText('resource.stale')
  await page.keyboard.press('Escape')
  await expect(dialog(page)).toHaveCount(0)
  await expect(rail(page).getByRole('button', { name: /^Organisation:/ })).toBeFocused()
})

test('invited person goes over to what they joined', async ({ page }) => {
  await signIn(page, 'operator@aqua.example')
  await page.goto('/invitation#known-over')
  await page.getByRole('button', { name: 'Join' }).click()
  await page.getByRole('button', { name: 'Go there' }).click()
  await expect(page).toHaveURL(/\/t\/harbour\/devices$/)
})

test('administrator in a tenant by break-glass leaves it first', async ({ page }) => {
  await signIn(page, 'admin@switchyard.example')
  await page.goto('/ops/break-glass')
  await page.getByRole('button', { name: 'Enter a tenant…' }).click()
  await page.getByRole('dialog').getByLabel('Tenant', { exact: true }).selectOption({ index: 1 })
  await page.getByLabel('Why').fill('Looks for a switch')
  await page.getByRole('dialog').getByRole('button', { name: 'Enter' }).click()
  await expect(page.getByRole('region', { name: 'Break-glass' })).toBeVisible()
  await expect(rail(page).getByRole('button', { name: /^Organisation:/ })).toHaveCount(0)
  await page.goto('/t/harbour/devices')
  await expect(page.getByText('This link belongs to “harbour”')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Go over to it' })).toHaveCount(0)
  await page.getByRole('button', { name: 'Leave now' }).click()
  await expect(page).toHaveURL(/\/ops\//)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    test('organisations are clean, also on a narrow screen', async ({ page }) => {
      test.slow()
      await signIn(page, 'operator@aqua.example')
      await open(page)
      await expect(dialog(page).getByRole('row', { name: /Harbour/ })).toBeVisible()
      await clean(page, 'organisations')
      await page.setViewportSize({ width: 360, height: 740 })
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
      await clean(page, 'organisations, narrow')
    })
  })
}
