import { ArrowLeft } from 'lucide-react'
import { useState } from 'react'
import { Link, useParams } from 'react-router'
import type { Draft } from '@/shared/api/example-app'
import { Refusal } from '@/shared/api/refusal'
import { count, plural } from '@/shared/lib/format'
import { Answered } from '@/shared/ui/answered'
import { Button } from '@/shared/ui/button'
import { TextArea, TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { RefusalState } from '@/shared/ui/refusal-state'
import { PageHead } from '@/shared/ui/surface'
import { say } from '@/shared/ui/toast'
import { useDraft, useSaveDraft, wordsIn } from './api'

export function Component() {
  const id = Number(useParams().id)
  if (!Number.isSafeInteger(id) || id < 1) {
    return (
      <>
        <PageHead title="Draft" />
        <RefusalState error={new Refusal({ code: 'not_found', status: 404, message: '' })} />
      </>
    )
  }
  return <DraftById key={id} id={id} />
}

function DraftById({ id }: { id: number }) {
  const draft = useDraft(id)
  return (
    <>
      {draft.data === undefined && <PageHead title="Draft" />}
      <Answered asked={draft}>{(found) => <Editor draft={found} />}</Answered>
    </>
  )
}

function Editor({ draft }: { draft: Draft }) {
  const [title, setTitle] = useState(draft.title)
  const [body, setBody] = useState(draft.body)
  const save = useSaveDraft(draft.id)
  const written = wordsIn(body)
  const changed = title.trim() !== draft.title || body !== draft.body
  return (
    <>
      <Link
        to="/writer/drafts"
        className="mb-3 inline-flex items-center gap-1 rounded text-sm text-ink-3 hover:text-ink"
      >
        <ArrowLeft size={16} aria-hidden />
        All drafts
      </Link>
      <PageHead
        title={draft.title}
        lead={`${plural(draft.words, 'word')} ordered for ${plural(draft.credit_cost, 'credit')}.`}
      />
      <form
        className="card grid gap-5 p-5 sm:p-6"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate(
            { title: title.trim(), body },
            {
              onSuccess: () => {
                say('Saved')
              },
            },
          )
        }}
      >
        <TextField
          label="Title"
          value={title}
          required
          maxLength={200}
          onChange={(event) => {
            setTitle(event.target.value)
          }}
        />
        <TextArea
          label="Text"
          rows={16}
          value={body}
          className="leading-relaxed"
          onChange={(event) => {
            setBody(event.target.value)
          }}
          aside={
            <span className="tabular text-sm text-ink-3">
              {count(written)} of {plural(draft.words, 'word')}
            </span>
          }
        />
        <RefusalLine error={save.error} />
        <div className="flex items-center justify-end gap-4">
          {changed && <span className="text-sm text-ink-3">Not saved yet</span>}
          <Button type="submit" busy={save.isPending} disabled={!changed}>
            Save
          </Button>
        </div>
      </form>
    </>
  )
}
