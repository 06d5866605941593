package verdict_test

import (
	"fmt"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// TestSelectionKeepsTheNewestLargeOne fills a folder with a file a minute that
// is too small, and one large backup older than all of them.
func TestSelectionKeepsTheNewestLargeOne(t *testing.T) {
	t.Parallel()
	s := verdict.NewSelection(noon, policy())
	s.Add(file("older.bak", 1<<30, 50*time.Hour))
	s.Add(file("large.bak", 1<<30, 20*time.Hour))
	for i := range 100 {
		s.Add(file(fmt.Sprintf("small_%02d.bak", i), 10, time.Duration(i)*time.Minute))
		s.Add(file(fmt.Sprintf("late_%02d.bak", i), 1<<30, -time.Duration(i+1)*time.Minute))
		s.Add(file(fmt.Sprintf("readme_%02d.txt", i), 1<<30, 0))
	}
	if s.Count() != 202 {
		t.Errorf("counted %d files of the pattern, want 202", s.Count())
	}
	before, after := s.Files(), s.FilesAfter()
	if len(before) != 16 || before[0].Name != "small_00.bak" || before[14].Name != "small_14.bak" || before[15].Name != "large.bak" {
		t.Errorf("kept %v", names(before))
	}
	if len(after) != 4 || after[0].Name != "late_99.bak" || after[3].Name != "late_96.bak" {
		t.Errorf("kept after the limit %v", names(after))
	}
}

func TestSelectionOfFewFiles(t *testing.T) {
	t.Parallel()
	s := verdict.NewSelection(noon, policy())
	if len(s.Files()) != 0 || len(s.FilesAfter()) != 0 || s.Count() != 0 {
		t.Error("an empty selection holds files")
	}
	s.Add(file("b.bak", 1<<30, time.Hour))
	s.Add(file("a.bak", 0, time.Hour))
	s.Add(file("at_the_limit.bak", 0, 0))
	if got := fmt.Sprint(names(s.Files())); got != "[at_the_limit.bak a.bak b.bak]" {
		t.Errorf("kept %s", got)
	}
}

func names(files []events.File) []string {
	var n []string
	for _, f := range files {
		n = append(n, f.Name)
	}
	return n
}
