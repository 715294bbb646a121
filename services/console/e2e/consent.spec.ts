import { expect, PASSWORD, signIn, test } from './fixtures'

const link = (request: string, tenant = 'aqua') => `/authorize?${new URLSearchParams({ tenant, request })}`

test('person signs in, reads what an application wants, and allows it', async ({ page }) => {
  await page.goto(link('client_id=x&state=s1'))
  await expect(page).toHaveURL(/sign-in\?next=/)
  await page.getByLabel('E-mail').fill('owner@aqua.example')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Field app wants to act for you' })).toBeVisible()
  await expect(page.getByRole('listitem')).toHaveText([/that you are you/, /your name/, /devices\.read/, /60 days/])
  await expect(page.getByRole('navigation')).toHaveCount(0)
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await expect(page).toHaveURL(/\/errors\/allowed\?state=s1/)
})

test('refusal goes back to the application as well', async ({ page }) => {
  await signIn(page)
  await page.goto(link('client_id=x&state=s2'))
  await page.getByRole('button', { name: 'Do not allow' }).click()
  await expect(page).toHaveURL(/\/errors\/refused\?state=s2/)
})

test("tenant's own application is let in without a question", async ({ page }) => {
  await signIn(page)
  await page.goto(link('client_id=x&state=s3&own=1'))
  await expect(page).toHaveURL(/\/errors\/allowed\?state=s3/)
})

test('application of another tenant is not asked about', async ({ page }) => {
  await signIn(page)
  await page.goto(link('client_id=x&state=s4', 'byte'))
  await expect(page.getByText('The application belongs to byte')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in to byte' }).click()
  await expect(page).toHaveURL(/sign-in\?next=\/authorize/)
})
