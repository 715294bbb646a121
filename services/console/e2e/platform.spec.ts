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
