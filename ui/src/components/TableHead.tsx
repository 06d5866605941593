import type { Sort, SortKey } from '../backups/view';
import { Icon } from './Icon';

interface TableHeadProps {
  withDrives: boolean;
  sort: Sort;
  onSort: (key: SortKey) => void;
  /** Null: rows are not for selecting. */
  allSelected: boolean | null;
  onSelectAll: ((selected: boolean) => void) | undefined;
}

interface Column {
  key: SortKey;
  name: string;
  className: string;
}

const columns: readonly Column[] = [
  { key: 'outlet', name: 'Outlet', className: '[grid-area:outlet]' },
  { key: 'outcome', name: 'Status', className: '[grid-area:outcome]' },
  { key: 'cause', name: 'Cause', className: '[grid-area:cause] max-lg:hidden' },
  { key: 'modified', name: 'Last backup', className: '[grid-area:modified] max-lg:hidden' },
  { key: 'age', name: 'Age', className: '[grid-area:age] max-lg:hidden' },
  { key: 'size', name: 'Size', className: '[grid-area:size] justify-self-end max-lg:hidden' },
  { key: 'drive', name: 'Drive', className: '[grid-area:drive] max-lg:hidden' },
  { key: 'file', name: 'File', className: '[grid-area:file] max-lg:hidden' },
];

/** The column heads, which sort. A narrow screen keeps the two that matter most. */
export function TableHead({ withDrives, sort, onSort, allSelected, onSelectAll }: TableHeadProps) {
  return (
    <div role="rowgroup" className="sticky top-0 z-10 border-b border-line bg-sunken">
      <div
        role="row"
        aria-rowindex={1}
        data-drives={withDrives ? 'yes' : 'no'}
        className="backup-row h-9 text-xs font-medium text-muted max-lg:[grid-template-areas:'select_outlet_outcome']"
      >
        <div role="columnheader" className="[grid-area:select]">
          <span className="sr-only">Select</span>
          {onSelectAll && (
            <label className="flex items-center p-1">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                aria-label="Select all in the list"
                checked={allSelected ?? false}
                onChange={(event) => {
                  onSelectAll(event.target.checked);
                }}
              />
            </label>
          )}
        </div>
        {columns
          .filter(({ key }) => withDrives || key !== 'drive')
          .map((column) => (
            <SortHead key={column.key} column={column} sort={sort} onSort={onSort} />
          ))}
      </div>
    </div>
  );
}

function SortHead({
  column,
  sort,
  onSort,
}: { column: Column } & Pick<TableHeadProps, 'sort' | 'onSort'>) {
  const sorted = sort.key === column.key;
  const direction = sort.descending ? 'descending' : 'ascending';
  return (
    <div
      role="columnheader"
      aria-sort={sorted ? direction : undefined}
      className={`min-w-0 ${column.className}`}
    >
      <button
        type="button"
        className={`inline-flex items-center gap-0.5 py-1 hover:text-ink ${sorted ? 'text-ink' : ''}`}
        onClick={() => {
          onSort(column.key);
        }}
      >
        {column.name}
        <Icon
          name={sorted && sort.descending ? 'up' : 'down'}
          className={`size-3.5 ${sorted ? '' : 'opacity-0'}`}
        />
      </button>
    </div>
  );
}
