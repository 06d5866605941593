package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchEndsOnlyAfterPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		well := func() bool {
			return time.Since(began) < 20*time.Second || time.Since(began) > 40*time.Second && time.Since(began) < time.Minute
		}
		err := watch(t.Context(), 5*time.Second, 30*time.Second, well)
		// Unwell from 20 s to 40 s is within patience; from 60 s on it is not.
		if took := time.Since(began); !errors.Is(err, errLogDead) || took < 85*time.Second || took > 95*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := watch(ctx, 5*time.Second, 30*time.Second, func() bool { return true }); err != nil {
			t.Error(err)
		}
	})
}

func TestWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if !writable(dir) || writable(filepath.Join(dir, "none")) {
		t.Error("writable is wrong")
	}
}
