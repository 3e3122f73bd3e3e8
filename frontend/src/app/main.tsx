import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router'
import '@/styles/index.css'
import { queryClient } from '@/shared/api/queries'
import { Toaster } from '@/shared/ui/toast'
import { makeRouter } from './routes'
import { Start } from './start'
import { applyTheme } from './theme'

applyTheme()

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <Start>
          <RouterProvider router={makeRouter()} />
        </Start>
        <Toaster />
      </QueryClientProvider>
    </StrictMode>,
  )
}
