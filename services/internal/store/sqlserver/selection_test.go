package sqlserver

import (
	"fmt"
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

// TestFoldsOnKeysOfTheirType: so do the texts that fold, and what they keep codes
// in is compared as it is.
func TestFoldsOnKeysOfTheirType(t *testing.T) {
	t.Parallel()
	for kind, x := range map[string]struct{ held, compared string }{
		"varchar":  {"VARCHAR(50) COLLATE SQL_Latin1_General_CP1_CI_AS", "CAST(%s COLLATE SQL_Latin1_General_CP1_CI_AS AS VARCHAR(255))"},
		"nvarchar": {"NVARCHAR(50) COLLATE SQL_Latin1_General_CP1_CI_AS", "%s COLLATE SQL_Latin1_General_CP1_CI_AS"},
	} {
		l := &layout{columns: map[string]column{}}
		for _, key := range []string{"dbo.d_drive_backup_stat.outletserver", "dbo.outlets.outletcode"} {
			l.columns[key] = column{kind: kind, collation: "SQL_Latin1_General_CP1_CI_AS", width: 50}
		}
		rows, _ := (&selection{Query: store.Query{Mode: events.DDrive}, layout: l, table: "dbo.D_Drive_Backup_Stat"}).rows()
		for text, want := range map[string][]string{
			l.filled("dbo.D_Drive_Backup_Stat", sqlFold): {
				"\tOutletServer " + x.held + " NOT NULL, Spelled " + x.held + " NULL", "s.OutletServer = " + fmt.Sprintf(x.compared, "x.OutletServer") + " AND ",
			},
			l.filled("dbo.D_Drive_Backup_Stat", sqlRepairRows): {
				"\tOutletServer " + x.held + " NOT NULL, Spelled " + x.held + " NULL", "s.OutletServer = " + fmt.Sprintf(x.compared, "x.OutletServer") + " AND ",
			},
			l.register(""): {
				" OutletCode " + x.held + " NOT NULL,\n\tSpelled " + x.held + " NULL", "o.OutletCode = " + fmt.Sprintf(x.compared, "x.OutletCode") + " AND ",
			},
			rows: {"o.OutletCode = " + fmt.Sprintf(x.compared, "r.OutletCode") + "\n"},
		} {
			for _, w := range want {
				if !strings.Contains(text, w) || strings.Contains(strings.ReplaceAll(text, "{rows}", ""), "{") {
					t.Errorf("%s: %s\nwant %q", kind, text, w)
				}
			}
		}
	}
}
