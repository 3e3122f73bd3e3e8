import { X } from 'lucide-react'
import { Dialog } from 'radix-ui'
import { IconButton } from '@/shared/ui/button'
import { Home, Pages } from './navigation'

/** The navigation of small screens. */
export default function Drawer({ onClose }: { onClose: () => void }) {
  return (
    <Dialog.Root
      open
      onOpenChange={(next) => {
        if (!next) onClose()
      }}
    >
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-shade" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed inset-y-0 left-0 z-50 w-72 max-w-[85vw] animate-rise overflow-y-auto border-r border-line bg-surface px-3 py-5"
        >
          <Dialog.Title className="sr-only">Menu</Dialog.Title>
          <div className="flex items-start justify-between">
            <Home />
            <Dialog.Close asChild>
              <IconButton label="Close the menu" className="-mt-1.5">
                <X size={20} aria-hidden />
              </IconButton>
            </Dialog.Close>
          </div>
          <Pages onGo={onClose} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
