import { expect, signIn, test } from './fixtures'

test.beforeEach(async ({ page }) => signIn(page, 'admin@switchyard.example'))

test('keys: where they stand, rotation, emergency revocation with a reason', async ({ page }) => {
  await page.getByRole('link', { name: 'Signing keys' }).click()
  const places = page.getByRole('list', { name: 'Where the keys stand' }).locator(':scope > li')
  await expect(places).toHaveText([/Pending1/, /Active1/, /Retiring1/, /Revoked1/])
  await page.getByRole('button', { name: 'Rotate now…' }).click()
  await page.getByRole('button', { name: 'Rotate', exact: true }).click()
  await expect(places.nth(2)).toContainText('Retiring2')
  await page.getByRole('row', { name: /^Retiring/ }).last().getByRole('button').click()
  await page.getByLabel('Why').fill('Found in a backup')
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await expect(page.getByRole('row', { name: /Found in a backup/ })).toContainText('Revoked')
})

test('protection: maintenance, bans, and where calls come from', async ({ page }) => {
  await page.getByRole('link', { name: 'Protection' }).click()
  await expect(page.getByText('not on the list of trusted proxies')).toBeVisible()
  await page.getByRole('button', { name: 'Turn it on…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Turn it on' }).click()
  await expect(page.getByText('Needed', { exact: true })).toBeVisible()
  await page.getByLabel('What people are told').fill('New disks, back at ten')
  await page.getByRole('dialog').getByRole('button', { name: 'Turn it on' }).click()
  await expect(page.getByText('“New disks, back at ten”')).toBeVisible()
  await page.getByRole('button', { name: 'Turn it off' }).click()
  await expect(page.getByText('Off', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: 'Keep someone out…' }).click()
  await page.getByLabel('Who', { exact: true }).fill('198.51.100.0/24')
  await page.getByLabel('Why').fill('Guesses passwords')
  await page.getByRole('dialog').getByRole('button', { name: 'Keep out' }).click()
  const row = page.getByRole('row', { name: /198\.51\.100\.0/ })
  await expect(row).toContainText('59 min left')
  await row.getByRole('button').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Let in' }).click()
  await expect(row).toHaveCount(0)
})

test('platform has its own audit', async ({ page }) => {
  await page.getByRole('link', { name: 'Platform audit' }).click()
  await expect(page.getByTestId('chain')).toContainText('The chain is whole')
  await expect(page.getByRole('main').getByRole('button', { name: /^Organisation/ })).toHaveCount(0)
})
