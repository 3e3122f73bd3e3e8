// Switching a second factor on, in three steps: the password, the secret for the app and a first code of it, recovery codes.
// Secret and codes are shown this once: they live in this dialog alone and are gone with it.
import { useMutation } from '@tanstack/react-query'
import { QRCodeSVG } from 'qrcode.react'
import { useState } from 'react'
import { api, data } from '@/shared/api/client'
import { Button } from '@/shared/ui/button'
import { CopyText } from '@/shared/ui/copy'
import { Dialog } from '@/shared/ui/dialog'
import { TextField } from '@/shared/ui/field'
import { RefusalLine } from '@/shared/ui/refusal-line'
import { Callout } from '@/shared/ui/surface'
import { CodeForm } from './code-form'

export function Enrol({ onClose }: { onClose: () => void }) {
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const begin = useMutation({
    mutationFn: () => data(api.POST('/api/v1/auth/totp/', { body: { password } })),
    onSuccess: () => {
      setPassword('')
    },
    gcTime: 0,
  })
  const confirm = useMutation({
    mutationFn: () => data(api.POST('/api/v1/auth/totp/confirm/', { body: { code: code.trim() } })),
    gcTime: 0,
  })
  if (confirm.isSuccess) {
    return (
      <Dialog open onClose={onClose} title="The second factor is on">
        <div className="grid gap-4">
          <Callout tone="warn" title="Keep these recovery codes now">
            Each stands in once for your authenticator app. They are not shown again.
          </Callout>
          <CopyText label="Recovery codes" text={confirm.data.recovery_codes.join('\n')} />
          <Button onClick={onClose}>I have them</Button>
        </div>
      </Dialog>
    )
  }
  if (begin.isSuccess) {
    const { otpauth_uri: uri, secret } = begin.data
    return (
      <Dialog
        open
        onClose={onClose}
        title="Add it to your authenticator app"
        lead="Scan the picture, or type the secret. It is shown this once."
      >
        <div className="grid gap-5">
          {/* Black on white in both themes: that is what cameras read. */}
          <div className="justify-self-center rounded-xl border border-line bg-white p-3">
            <QRCodeSVG value={uri} size={184} marginSize={2} role="img" title="The secret, to be scanned" />
          </div>
          <CopyText label="Secret" text={secret} />
          <CodeForm
            hint="What the app shows now, to see that it works."
            code={code}
            onCode={setCode}
            onSubmit={() => {
              confirm.mutate()
            }}
            error={confirm.error}
          >
            <Button type="submit" busy={confirm.isPending}>
              Switch it on
            </Button>
          </CodeForm>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title="Set up a second factor"
      lead="Any authenticator app will do. First show that it is you."
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          begin.mutate()
        }}
      >
        <TextField
          label="Your password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => {
            setPassword(event.target.value)
          }}
        />
        <RefusalLine error={begin.error} />
        <Button type="submit" busy={begin.isPending}>
          Go on
        </Button>
      </form>
    </Dialog>
  )
}
