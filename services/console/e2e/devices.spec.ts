import { expect, live, signIn, test } from './fixtures'

test.beforeEach(async ({ page }) => {
  await signIn(page)
  await live(page)
})

test('ten thousand rows by keyboard', async ({ page }) => {
  const grid = page.getByRole('grid', { name: 'Devices' })
  await expect(grid).toHaveAttribute('aria-rowcount', /^100\d\d$/)
  const total = Number(await grid.getAttribute('aria-rowcount')) - 1
  await page.keyboard.press('/')
  await expect(page.getByLabel('Name starts with')).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await expect(grid.locator('[data-index="0"]')).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await expect(grid.locator('[data-index="1"]')).toBeFocused()
  await page.keyboard.press('End')
  const last = grid.locator(`[data-index="${total - 1}"]`)
  await expect(last).toBeFocused()
  await expect(last).toContainText('West ring')
  expect(await grid.getByRole('row').count()).toBeLessThan(80)
  await page.keyboard.press('Home')
  await expect(grid.locator('[data-index="0"]')).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Harbour main 0001')
})

test('counters filter, prefix narrows, the address keeps both', async ({ page }) => {
  await page.getByRole('button', { name: /^Stale/ }).click()
  await expect(page).toHaveURL(/presence=stale/)
  await expect(page.getByText(/\d match/)).toBeVisible()
  await page.getByLabel('Name starts with').fill('pump house')
  await expect(page).toHaveURL(/q=pump/)
  await expect(page.locator('.grid-row').first()).toContainText('Pump house')
  await expect(page.locator('.grid-row').first()).toContainText('Stale')
  await page.getByLabel('Name starts with').fill('zzz')
  await expect(page.getByText('No device matches')).toBeVisible()
  await page.getByRole('button', { name: 'Clear the filter' }).click()
  await expect(page.getByText(/10,0\d\d devices/)).toBeVisible()
})

test('presence changes while one looks', async ({ page, gateway }) => {
  const device = gateway.devices[0]!
  const row = page.locator('.grid-row').first()
  await expect(row).toContainText('Online')
  const online = page.getByRole('button', { name: /^Online/ }).locator('.n')
  const before = Number((await online.textContent())?.replace(',', ''))
  gateway.control.presence(device.device_id, 'OFFLINE')
  await expect(row).toContainText('Offline')
  await expect(online).toHaveText((before - 1).toLocaleString('en-GB'))
  gateway.control.presence(device.device_id, 'ONLINE')
  await expect(row).toContainText('Online')
})

test('fault shows code, incident and retry', async ({ page, gateway, watch }) => {
  watch.allow('503')
  await page.waitForLoadState('networkidle')
  gateway.control.break('/api/v1/devices', 503, 'service.unavailable')
  await page.getByRole('button', { name: /^Offline/ }).click()
  const alert = page.getByRole('alert')
  await expect(alert).toContainText('service.unavailable')
  await expect(alert).toContainText('inc_')
  await alert.getByRole('button', { name: 'Try again' }).click()
  await expect(alert).toHaveCount(0)
})

test('refused channel is said, the page still works', async ({ page, gateway, watch }) => {
  watch.allow('403')
  gateway.control.break('/broadcasting/auth', 403, 'channel.forbidden')
  await page.reload()
  await expect(page.getByTestId('link-state')).toHaveText('No live events: the channel was refused')
  await expect(page.locator('.grid-row').first()).toBeVisible()
})

test('lost link is said and comes back with a new snapshot', async ({ page, gateway, context, watch }) => {
  watch.allow('ERR_INTERNET_DISCONNECTED')
  await context.setOffline(true)
  await expect(page.getByTestId('link-state')).toHaveText('Offline')
  await context.setOffline(false)
  gateway.control.drop()
  await live(page)
})

test('narrow screen has no sideways scrolling', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  await expect(page.locator('.grid-row').first()).toBeVisible()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
})
