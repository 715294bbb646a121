import { expect, live, signIn, test } from './fixtures'

test.beforeEach(async ({ page, gateway }) => {
  await signIn(page)
  await page.goto(`/t/aqua/devices/${gateway.devices[0]!.device_id}`)
  await live(page)
})

test('chart follows live readings and has words and a table', async ({ page }) => {
  const chart = page.getByRole('img', { name: /^Water flow: between/ })
  await expect(chart).toBeVisible()
  const latest = page.getByTestId('latest').locator('tr').first()
  const before = await latest.textContent()
  await expect(latest).not.toHaveText(before ?? '')
  await expect(page.getByTestId('last-seen')).toHaveText(/now|\d s ago/)
  await page.getByRole('button', { name: 'Water flow: view as table' }).click()
  await expect(page.getByRole('group', { name: 'Water flow as a table' }).getByRole('row').nth(3)).toBeVisible()
})

test('range is in the address and reloads the series', async ({ page }) => {
  const asked = page.waitForRequest((request) => request.url().includes('/series/flow') && request.url().includes('buckets=672'))
  await page.getByRole('button', { name: '7 d' }).click()
  await asked
  await expect(page).toHaveURL(/range=7d/)
  await page.reload()
  await expect(page.getByRole('button', { name: '7 d' })).toHaveAttribute('aria-pressed', 'true')
})

test('command is followed to its proof', async ({ page }) => {
  await page.getByRole('link', { name: 'Commands' }).click()
  const form = page.getByRole('form', { name: 'Send a command' })
  await form.getByLabel('Opening').fill('140')
  await form.getByRole('button', { name: 'Set valve' }).click()
  await expect(form).toContainText('Must be 0 to 100')
  await form.getByLabel('Opening').fill('65')
  await form.getByLabel('Ramp').selectOption('slow')
  const sent = page.waitForRequest((request) => request.method() === 'POST')
  await form.getByRole('button', { name: 'Set valve' }).click()
  const request = await sent
  expect(request.headers()['idempotency-key']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/)
  expect(request.headers()['x-yard-csrf']).toBe('1')
  expect(request.postDataJSON()).toEqual({ name: 'set_valve', arguments: { opening: 65, ramp: 'slow', force: false }, deadline_seconds: 60 })
  await expect(page.getByTestId('command-state')).toHaveText('Succeeded')
  const steps = page.getByRole('list', { name: 'What is proved of this command' }).getByRole('listitem')
  await expect(steps).toHaveCount(5)
  await expect(steps.nth(1)).toContainText('broker accepted')
  await expect(steps.nth(2)).toContainText('device reported')
  await expect(page.getByTestId('result')).toContainText('"opening": 65')
})

test('undelivered command can be cancelled and claims no delivery', async ({ page, gateway }) => {
  gateway.control.hold(true)
  await page.getByRole('link', { name: 'Commands' }).click()
  await page.getByRole('form').getByRole('button', { name: 'Set valve' }).click()
  await expect(page.getByTestId('command-state')).toHaveText('Handed to the broker')
  const spine = page.getByRole('list', { name: 'What is proved of this command' })
  await expect(spine).toContainText('Waiting for the device')
  await page.getByTestId('command').getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByTestId('command-state')).toHaveText('Cancelled')
  await expect(spine).not.toContainText('Received by the device')
  gateway.control.hold(false)
})

test('schema that no form can say is written as JSON', async ({ page }) => {
  await page.getByRole('link', { name: 'Commands' }).click()
  await page.getByLabel('Command', { exact: true }).selectOption('set_profile')
  await expect(page.getByLabel('Arguments (JSON)')).toHaveValue(/hours/)
})

test('certificate is revoked after asking', async ({ page, gateway }) => {
  gateway.control.holdBroker(true)
  await page.getByRole('link', { name: 'Certificates' }).click()
  await expect(page.getByText(/Valid, \d+ days left/)).toBeVisible()
  await page.getByRole('button', { name: /^Revoke 4f1c/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  // The one that it renewed holds for some days more.
  await expect(page.getByText(/^[34] days left$/)).toBeVisible()
  await expect(page.getByText('the broker has not confirmed it yet')).toBeVisible()
  gateway.control.holdBroker(false)
  await expect(page.getByText(/in force at the broker after \d/)).toHaveCount(2)
})

test('quarantine shows why and where', async ({ page }) => {
  await page.getByRole('link', { name: 'Quarantine' }).click()
  await page.getByText('telemetry.out_of_range').click()
  await expect(page.getByText('"flow":912.4')).toBeVisible()
})

test('device that is not there', async ({ page, watch }) => {
  watch.allow('404')
  await page.goto('/t/aqua/devices/0197a3c2-6000-7000-8000-00000fffffff')
  await expect(page.getByText('There is no such device here')).toBeVisible()
})
