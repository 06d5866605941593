package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// need is what we need of a column that the projector writes.
type need struct {
	table, column string
	characters    int  // of a text that cannot be cut; 0: any type
	null          bool // NULL is written, and nothing else would do
}

// needs are those of the original system's tables. What is not said here is cut
// to the column, or is empty where it must be there. A user that does not fit
// is for whoever makes it to hear of.
func needs() []need {
	var all []need
	for _, name := range []string{"dbo.D_Drive_Backup_Stat", "dbo.IB_Storage_Backup_Stat"} {
		all = append(all, need{name, "OutletServer", events.MaxCodeLength, false}, need{name, "ScanDate", 0, false},
			need{name, "Status", len(events.Successful), false}, need{name, "LastBackupTaken", 0, true}, need{name, "BackupFile", 0, false},
			need{name, "BackupFileSize", 0, false}, need{name, "Duration", 0, false}, need{name, "ErrorDetails", 0, false})
	}
	return append(all, need{"dbo.IB_Storage_Backup_Stat", "DriveLetter", 0, false}, need{"dbo.Outlets", "OutletCode", events.MaxCodeLength, false},
		need{"dbo.Outlets", "IPAddress", 0, false}, need{"dbo.Outlets", "OutletName", 0, false}, need{"dbo.Outlets", "ActiveDepot", 1, false})
}

// fit tells whether the original system's tables, as far as they are there, can
// be used. One that cannot would refuse an event one day, and all behind it
// would wait. Errors: store.ErrRefused.
func (s *Store) fit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	l, err := readLayout(ctx, s.writer)
	if err != nil {
		return fmt.Errorf("read how the tables are made: %w", err)
	}
	faults := l.faults()
	if len(faults) == 0 {
		return nil
	}
	return &store.Trouble{
		Reason:  "a table that was in the database before cannot be used as it is: the log says which column, and what to do",
		Refused: true, Err: errors.New(strings.Join(faults, "; ")),
	}
}

// faults says of each column that cannot be used why, and what to do.
func (l *layout) faults() (found []string) {
	ours := map[string]bool{}
	for _, n := range needs() {
		name := strings.ToLower(n.table + "." + n.column)
		ours[name] = true
		if c, there := l.columns[name]; there || l.tables[strings.ToLower(n.table)] {
			if fault := n.fault(c, there); fault != "" {
				found = append(found, fmt.Sprintf("column %s of %s %s", n.column, n.table, fault))
			}
		}
	}
	for name, c := range l.columns {
		table, column := name[:strings.LastIndex(name, ".")], name[strings.LastIndex(name, ".")+1:]
		if !ours[name] && table != "dbo.usermanager" && c.notNull && !c.filled {
			found = append(found, fmt.Sprintf("column %s of %s does not take NULL and has no default, and we know no value for it: give it a default, or let it take NULL",
				column, table))
		}
	}
	slices.Sort(found)
	return found
}

func (n need) fault(c column, there bool) string {
	switch {
	case !there:
		return "is not there: add it"
	case n.characters > 0 && !c.isText():
		return fmt.Sprintf("is of type %s: make it NVARCHAR(%d)", c.kind, n.characters)
	case c.width > 0 && c.width < n.characters:
		return fmt.Sprintf("has %d characters and needs %d: make it NVARCHAR(%d), for which a key or index with it must be dropped and made again",
			c.width, n.characters, max(n.characters, events.MaxCodeLength))
	case n.null && c.notNull:
		return "does not take NULL, which stands for none: run ALTER COLUMN with " + strings.ToUpper(c.kind) + " NULL"
	}
	return ""
}
