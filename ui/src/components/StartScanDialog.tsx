import { useMutation } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';

import { startScan, type NewScan, type Scan } from '../api/scans';
import { localDate } from '../backups/format';
import { modes, type ModeId } from '../backups/modes';
import { useClient } from '../hooks/useClient';
import { Button } from './Button';
import { Dialog } from './Dialog';
import { Notice } from './Notice';

interface StartScanDialogProps {
  mode: ModeId;
  onStarted: (scan: Scan, asked: NewScan) => void;
  onClose: () => void;
}

export function StartScanDialog({ mode, onStarted, onClose }: StartScanDialogProps) {
  const client = useClient();
  const [chosen, setChosen] = useState<readonly ModeId[]>([mode]);
  const [scanDate, setScanDate] = useState('');
  const start = useMutation({
    mutationFn: (scan: NewScan) => startScan(client, scan),
    onSuccess: onStarted,
  });

  const toggle = (id: ModeId, on: boolean) => {
    setChosen(
      modes.map((each) => each.id).filter((each) => (each === id ? on : chosen.includes(each))),
    );
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    start.mutate({ modes: chosen, scanDate: scanDate === '' ? null : scanDate });
  };

  return (
    <Dialog title="Start a scan" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4 text-sm">
        <p className="text-muted">
          Looks at every active outlet. It goes on when you close this page, and can be cancelled.
        </p>
        <fieldset className="space-y-2">
          <legend className="mb-1 font-medium">Look at</legend>
          {modes.map(({ id, name }) => (
            <label key={id} className="flex items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={chosen.includes(id)}
                onChange={(event) => {
                  toggle(id, event.target.checked);
                }}
              />
              {name}
            </label>
          ))}
        </fieldset>
        <label className="block">
          <span className="mb-1 block font-medium">Scan date</span>
          <input
            type="date"
            className="field"
            max={localDate(new Date())}
            value={scanDate}
            aria-describedby="scan-date-hint"
            onChange={(event) => {
              setScanDate(event.target.value);
            }}
          />
        </label>
        <p id="scan-date-hint" className="text-xs text-muted">
          Leave it empty for today. For an earlier date, files deleted since can no longer be seen.
        </p>
        {start.error && (
          <Notice tone="bad" title="The scan was not started">
            <p>{start.error.message}</p>
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button
            type="submit"
            look="primary"
            icon="play"
            disabled={chosen.length === 0 || start.isPending}
          >
            {start.isPending ? 'Starting…' : 'Start'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
