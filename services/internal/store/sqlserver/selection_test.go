package sqlserver

import (
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// TestKeysOfTheirType: a code is compared with a VARCHAR as one, in its
// collation; compared with NVARCHAR the server would convert each row's.
func TestKeysOfTheirType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"varchar":  "s.OutletServer IN (CAST(@code0 COLLATE Latin1_General_CI_AS AS VARCHAR(255)), CAST(@code1 COLLATE Latin1_General_CI_AS AS VARCHAR(255)))",
		"nvarchar": "s.OutletServer IN (@code0, @code1)",
	} {
		l := &layout{columns: map[string]column{"dbo.d_drive_backup_stat.outletserver": {kind: kind, collation: "Latin1_General_CI_AS", width: 50}}}
		x := selection{
			Query: store.Query{Mode: events.DDrive, Outlet: "out1"}, layout: l, table: "dbo.D_Drive_Backup_Stat", spellings: []string{"OUT1", "out1"},
		}
		if text, _ := x.rows(); !strings.Contains(text, want) {
			t.Errorf("%s: %s\nwant %s", kind, text, want)
		}
	}
}
