import { modes, type ModeId } from '../backups/modes';

interface ModeSwitchProps {
  value: ModeId;
  onChange: (mode: ModeId) => void;
}

export function ModeSwitch({ value, onChange }: ModeSwitchProps) {
  return (
    <fieldset className="inline-flex rounded-lg border border-line bg-sunken p-0.5">
      <legend className="sr-only">Backups on</legend>
      {modes.map((mode) => (
        <label
          key={mode.id}
          className="rounded-md px-3 py-1.5 text-sm font-medium whitespace-nowrap text-muted has-checked:bg-surface has-checked:text-ink has-checked:shadow-sm has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name="mode"
            value={mode.id}
            checked={mode.id === value}
            onChange={() => {
              onChange(mode.id);
            }}
            className="sr-only"
          />
          {mode.name}
        </label>
      ))}
    </fieldset>
  );
}
