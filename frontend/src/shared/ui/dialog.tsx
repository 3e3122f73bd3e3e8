// Dialogs. The library behind them comes with the first one that is opened.
import { lazy, Suspense } from 'react'
import { Button } from './button'
import type { DialogProps } from './dialog-frame'
import { RefusalLine } from './refusal-line'

const Frame = lazy(() => import('./dialog-frame'))

export function Dialog(props: DialogProps) {
  if (!props.open) return null
  return (
    <Suspense fallback={null}>
      <Frame {...props} />
    </Suspense>
  )
}

interface ConfirmProps extends Omit<DialogProps, 'children'> {
  action: string
  onConfirm: () => void
  busy: boolean
  error: unknown
}

/** Asks once more before something that cannot be taken back. */
export function Confirm({ action, onConfirm, busy, error, ...dialog }: ConfirmProps) {
  return (
    <Dialog {...dialog}>
      <RefusalLine error={error} />
      <div className="mt-2 flex justify-end gap-2">
        <Button look="secondary" onClick={dialog.onClose}>
          Keep it
        </Button>
        <Button look="danger" busy={busy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
