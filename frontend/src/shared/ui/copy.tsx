import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import { Button } from './button'

/** A piece of text to take along, with a button that copies it. */
export function CopyText({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false)
  const [failed, setFailed] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
    } catch {
      // No permission, or no clipboard on plain HTTP: the text is there to be selected.
      setFailed(true)
    }
  }
  return (
    <div className="grid gap-1.5">
      <p className="text-sm font-medium text-ink">{label}</p>
      <div className="flex items-stretch gap-2">
        <code className="flex min-w-0 flex-1 items-center rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-sm break-all whitespace-pre-line text-ink select-all">
          {text}
        </code>
        <Button look="secondary" onClick={() => void copy()}>
          {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          {copied ? 'Copied' : 'Copy'}
        </Button>
      </div>
      <p role="status" className="text-sm text-ink-3">
        {failed ? 'Please select and copy it by hand.' : ''}
      </p>
    </div>
  )
}
