import { useMutation } from '@tanstack/react-query';
import type { ReactNode, SubmitEvent } from 'react';

import { Button } from './Button';
import { Dialog } from './Dialog';
import { Notice } from './Notice';

interface FormDialogProps {
  title: string;
  /** What the button that sends says. */
  action: string;
  /** Stands above the reason when it was refused. */
  failed: string;
  submit: () => Promise<void>;
  onDone: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that sends what is in it, and stays open with the reason when that fails. */
export function FormDialog(props: FormDialogProps) {
  const { title, action, failed, submit, onDone, onClose, children } = props;
  const send = useMutation({ mutationFn: submit, onSuccess: onDone });
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="space-y-4 text-sm"
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          send.mutate();
        }}
      >
        {children}
        {send.error && (
          <Notice tone="bad" title={failed}>
            <p>{send.error.message}</p>
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" look="primary" disabled={send.isPending}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
