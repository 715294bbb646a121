import { expect, PASSWORD, signIn, test } from './fixtures'

test('invitation makes an account, and its secret stays in no address', async ({ page }) => {
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto('/invitation#new-1')
  await expect(page.getByRole('heading', { name: 'Join Aqua Valley Water' })).toBeVisible()
  await expect(page.getByText('As operator, with lena.fischer@aqua.example')).toBeVisible()
  await page.getByRole('button', { name: 'Join' }).click()
  await expect(page.getByText('At least 12 characters', { exact: true })).toBeVisible()
  await page.getByLabel('Your name').fill('Lena Fischer')
  await page.getByLabel('New password').fill('long enough for anyone')
  await page.getByRole('button', { name: 'Join' }).click()
  await expect(page.getByRole('heading', { name: 'Welcome to Aqua Valley Water' })).toBeVisible()
  expect(new URL(page.url()).hash).toBe('')
  expect(asked.filter((url) => url.includes('new-1'))).toEqual([])
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/\/sign-in$/)
  expect(await page.evaluate(() => JSON.stringify(history.state))).not.toContain('new-1')
})

test('who has an account signs in and joins with it', async ({ page }) => {
  await page.goto('/invitation#known-1')
  await expect(page.getByText('This address has an account.')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/sign-in\?next=\/invitation$/)
  expect(await page.evaluate(() => JSON.stringify(history.state))).not.toContain('known-1')
  await page.getByLabel('E-mail').fill('operator@aqua.example')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Join' }).click()
  await expect(page.getByRole('heading', { name: 'Welcome to Harbour Authority' })).toBeVisible()
})

test('who is signed in as another is told so', async ({ page }) => {
  await signIn(page)
  await page.goto('/invitation#known-2')
  await expect(page.getByText('You are signed in as owner@aqua.example')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/sign-in\?next=\/invitation$/)
})

test('session that ends on the page leaves the secret in no address', async ({ page, watch }) => {
  watch.allow('401')
  await signIn(page, 'operator@aqua.example')
  await page.goto('/invitation#known-3')
  await expect(page.getByRole('button', { name: 'Join' })).toBeVisible()
  await page.context().clearCookies()
  await page.getByRole('button', { name: 'Join' }).click()
  await expect(page).toHaveURL(/sign-in\?next=\/invitation$/)
  expect(await page.evaluate(() => JSON.stringify(history.state))).not.toContain('known-3')
})

test('links that lead nowhere say so, and nothing more', async ({ page, watch }) => {
  watch.allow('422')
  for (const path of ['/invitation', '/invitation#stale', '/password-reset', '/email-verification', '/email-change']) {
    await page.goto('/nowhere')
    await page.goto(path)
    await expect(page.getByRole('alert')).toContainText('This link leads nowhere any more')
  }
  await page.goto('/nowhere')
  await page.goto('/email-verification#stale')
  await page.getByRole('button', { name: 'It is mine' }).click()
  await expect(page.getByRole('alert')).toContainText('This link leads nowhere any more')
})

test('forgotten password: the same words for every address, then a new one by the link', async ({ page }) => {
  await page.goto('/sign-in')
  await page.getByRole('link', { name: 'Forgotten your password?' }).click()
  await page.getByLabel('E-mail').fill('nobody@nowhere.example')
  await page.keyboard.press('Enter')
  await expect(page.getByText('If nobody@nowhere.example has an account')).toBeVisible()
  await page.goto('/password-reset#reset-1')
  await page.getByLabel('New password').fill('short')
  await page.getByRole('button', { name: 'Set it' }).click()
  await expect(page.getByText('At least 12 characters', { exact: true })).toBeVisible()
  await page.getByLabel('New password').fill('long enough for anyone')
  await page.getByRole('button', { name: 'Set it' }).click()
  await expect(page.getByText('Every session you had has ended')).toBeVisible()
  expect(new URL(page.url()).hash).toBe('')
})

test('address is proved, and a change waits for both', async ({ page }) => {
  await page.goto('/email-verification#verify-1')
  await page.getByRole('button', { name: 'It is mine' }).click()
  await expect(page.getByText('viewer@aqua.example is proved')).toBeVisible()
  await page.goto('/nowhere')
  await page.goto('/email-change#change-1')
  await page.getByRole('button', { name: 'I agree' }).click()
  await expect(page.getByText('The address changes once the link in the other mail')).toBeVisible()
  await page.goto('/email-change#change-last-1')
  await page.getByRole('button', { name: 'I agree' }).click()
  await expect(page.getByText('The address has changed')).toBeVisible()
})

test('narrow screen has no sideways scrolling', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  await page.goto('/invitation#new-narrow')
  await expect(page.getByRole('heading', { name: 'Join Aqua Valley Water' })).toBeVisible()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
})
