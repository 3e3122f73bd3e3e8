// What the machine keeps. The layers: app → features → shared, each feature by itself.
import js from '@eslint/js'
import a11y from 'eslint-plugin-jsx-a11y'
import hooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

const upwards = (groups, message) => ({
  'no-restricted-imports': ['error', { patterns: groups.map((group) => ({ group, message })) }],
})

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/shared/api/schema.d.ts'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  hooks.configs.flat.recommended,
  a11y.flatConfigs.recommended,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // A refusal is thrown where another tab's news may have changed what the compiler believes.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'max-lines': ['error', 500],
    },
  },
  {
    files: ['src/shared/**'],
    rules: upwards(
      [['@/features/**', '@/app/**', '**/features/**', '**/app/**']],
      'shared knows no feature and no app.',
    ),
  },
  {
    files: ['src/features/**'],
    rules: upwards(
      [
        ['@/app/**', '**/app/**'],
        ['@/features/**', '../*', '../**'],
      ],
      'A feature knows shared and itself: not the app, and no other feature.',
    ),
  },
  {
    files: ['src/app/**', 'src/styles/**'],
    rules: upwards([['../features/**', '../shared/**']], 'Write @/features/… and @/shared/….'),
  },
  { files: ['eslint.config.js'], extends: [tseslint.configs.disableTypeChecked] },
)
