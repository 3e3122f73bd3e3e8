// @vitest-environment node
// The rule of layers is kept by lint: here it is shown that it bites.
import { ESLint } from 'eslint'
import { beforeAll, expect, test } from 'vitest'

let rules: (file: string) => Promise<unknown>
beforeAll(() => {
  const eslint = new ESLint()
  rules = async (file) =>
    ((await eslint.calculateConfigForFile(file)) as { rules: Record<string, unknown> }).rules[
      'no-restricted-imports'
    ]
})

/** Whether the file may import this, by the rule that holds for it. */
async function may(file: string, source: string): Promise<boolean> {
  const rule = await rules(file)
  const eslint = new ESLint({
    overrideConfigFile: true,
    overrideConfig: [{ rules: { 'no-restricted-imports': rule as never } }],
  })
  const [result] = await eslint.lintText(`import '${source}'`)
  return result?.errorCount === 0
}

test.each([
  ['src/shared/ui/button.tsx', '@/features/sites/key', false],
  ['src/shared/ui/button.tsx', '@/app/theme', false],
  ['src/shared/ui/button.tsx', '../../features/sites/key', false],
  ['src/shared/ui/button.tsx', '@/shared/lib/format', true],
  ['src/features/sites/sites-page.tsx', '@/app/theme', false],
  ['src/features/sites/sites-page.tsx', '@/features/writer/api', false],
  ['src/features/sites/sites-page.tsx', '../writer/api', false],
  ['src/features/sites/sites-page.tsx', './key', true],
  ['src/features/sites/sites-page.tsx', '@/shared/ui/button', true],
  ['src/app/routes.tsx', '@/features/sites/sites-page', true],
])('%s importing %s: %s', { timeout: 60_000 }, async (file, source, allowed) => {
  expect(await may(file, source)).toBe(allowed)
})
