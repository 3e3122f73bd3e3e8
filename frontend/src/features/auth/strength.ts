// How hard a password is to guess, by nearly the same measure as the server's, which has more words and decides. Loaded when
// somebody begins to type one.
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import { translations } from '@zxcvbn-ts/language-en'

const zxcvbn = new ZxcvbnFactory({
  dictionary: common.dictionary,
  graphs: common.adjacencyGraphs,
  translations,
  // The server judges as many characters.
  maxLength: 72,
})

export interface Strength {
  /** 0 to 4; from 3 on the server takes it. */
  score: number
  advice: string | null
}

export function strengthOf(password: string, about: string[]): Strength {
  const { score, feedback } = zxcvbn.check(
    password,
    about.filter((word) => word !== ''),
  )
  return { score, advice: feedback.warning ?? feedback.suggestions[0] ?? null }
}
