import { expect, live, signIn, test } from './fixtures'

test('from a name to the first reading', async ({ page, gateway, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await signIn(page)
  await live(page)
  await page.getByRole('link', { name: 'Connect a device' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill(`Pump house ${Date.now()}`)
  await page.getByLabel('Contract').selectOption({ label: 'Water flow meter v2' })
  await page.getByRole('button', { name: /Register/ }).click()
  const code = await page.getByRole('group', { name: 'Claim code', exact: true }).textContent()
  expect(code).toMatch(/^yc_/)
  await page.getByRole('button', { name: 'Copy Certificate in exchange' }).click()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  expect(copied).toContain(code ?? 'no code')
  expect(copied).toContain(`${gateway.url}/api/v1/enrollments`)

  const id = new URL(page.url()).searchParams.get('device') ?? ''
  await expect(page.getByText('Listening…')).toBeVisible()
  gateway.control.refuse(id)
  await expect(page.getByText('telemetry.out_of_range')).toBeVisible()
  gateway.control.speak(id)
  await expect(page.getByText('First reading stored')).toBeVisible()
  await page.getByRole('link', { name: /^Open Pump house/ }).click()
  await expect(page).toHaveURL(new RegExp(`/devices/${id}`))
})

test('taken name is refused in words', async ({ page, watch }) => {
  watch.allow('409')
  await signIn(page)
  await page.goto('/t/aqua/connect')
  await page.getByLabel('Name', { exact: true }).fill('Mill lane 0001')
  await page.getByRole('button', { name: /Register/ }).click()
  await expect(page.getByRole('alert')).toContainText('device.name_taken')
})

test('contract can be added on the way', async ({ page }) => {
  await signIn(page)
  await page.goto('/t/aqua/connect')
  await page.getByRole('button', { name: 'Add a contract…' }).click()
  await page.getByLabel('Contract (JSON)').fill('{"name":"Door","version":1,"telemetry_schema":{"type":"object"},"metrics":[],"commands":[]}')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(page.getByLabel('Contract').locator('option:checked')).toHaveText('Door v1')
})
