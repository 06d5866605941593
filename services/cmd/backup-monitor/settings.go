package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

func (a *app) settingsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "settings",
		Short: "The schedule and the policy that are in force",
		Long: `The schedule (SCAN_INTERVAL, SCAN_HOURS, SCAN_DAYS) and the policy that looks are
judged by (BACKUP_MAX_AGE, MIN_BACKUP_SIZE, BACKUP_PATTERNS) are kept in the log,
so that every past verdict can be explained. The environment gives only their
first state. This command shows what is in force; "settings apply" stores what
the environment says now.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), a.showSettings)
		},
	}
	var dryRun bool
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Put the environment's schedule and policy in force",
		Long: `Stores the schedule and the policy that the environment and the .env file say, in
place of those in the log. They hold for every scan that is requested from then
on; what has been judged stays as it is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error { return a.applySettings(ctx, log, dryRun) })
		},
	}
	apply.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	c.AddCommand(apply)
	return c
}

func (a *app) showSettings(ctx context.Context, log *events.Log) error {
	s, _, err := registry.Settings(ctx, log, 0)
	if errors.Is(err, events.ErrNotFound) {
		_, err = fmt.Fprintln(a.stdout, "Nothing is stored yet: the first start stores what `backup-monitor config` shows.")
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n(stored %s by %s)\n", describe(s), s.ChangedAt.Format(time.RFC3339), plain(s.ChangedBy))
	return err
}

// describe writes settings in the words of the environment.
func describe(s events.SettingsChanged) string {
	var days []string
	for _, d := range s.Schedule.Days {
		days = append(days, time.Weekday(d).String()[:3])
	}
	return strings.Join([]string{
		"SCAN_INTERVAL    " + (time.Duration(s.Schedule.IntervalSeconds) * time.Second).String(),
		"SCAN_HOURS       " + s.Schedule.From + "-" + s.Schedule.To,
		"SCAN_DAYS        " + strings.Join(days, ","),
		"BACKUP_MAX_AGE   " + s.Policy.MaxAge().String(),
		"MIN_BACKUP_SIZE  " + fmt.Sprint(s.Policy.MinSizeBytes),
		"BACKUP_PATTERNS  " + plain(strings.Join(s.Policy.Patterns, ",")),
	}, "\n")
}

func (a *app) applySettings(ctx context.Context, log *events.Log, dryRun bool) error {
	old, seq, err := registry.Settings(ctx, log, 0)
	if err != nil && !errors.Is(err, events.ErrNotFound) {
		return err
	}
	wanted := events.SettingsChanged{
		Schedule: a.config.Schedule(), Policy: a.config.Policy(), Previous: seq, ChangedBy: events.ActorCommandLine, ChangedAt: time.Now().UTC(),
	}
	if seq > 0 && sameSettings(old, wanted) {
		_, err = fmt.Fprintln(a.stdout, "The log holds these settings already; nothing was changed.")
		return err
	}
	if !dryRun {
		if _, err := log.Write(ctx, wanted, seq); errors.Is(err, events.ErrConflict) {
			return errors.New("somebody else changed the settings meanwhile; nothing was changed: look again and repeat")
		} else if err != nil {
			return err
		}
		if err := tell(ctx, log, events.SettingsReplaced, "settings", map[string]string{"change": "schedule, policy"}); err != nil {
			return err
		}
	}
	word := "Now in force:"
	if dryRun {
		word = "Would be in force (dry run: nothing was changed):"
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n%s\n", word, describe(wanted))
	return err
}

func sameSettings(a, b events.SettingsChanged) bool {
	return reflect.DeepEqual(a.Schedule, b.Schedule) && reflect.DeepEqual(a.Policy, b.Policy)
}

// warnAboutFirstState tells when the environment names a schedule or policy
// that is not the one in force: the log's is.
func (a *app) warnAboutFirstState(ctx context.Context, log *events.Log, logger *slog.Logger) {
	if !a.config.FirstStateSet() {
		return
	}
	s, _, err := registry.Settings(ctx, log, 0)
	wanted := events.SettingsChanged{Schedule: a.config.Schedule(), Policy: a.config.Policy()}
	if err != nil || sameSettings(s, wanted) {
		return
	}
	inForce, _ := json.Marshal(s) // plain data: it cannot fail
	logger.Warn("the environment's schedule or policy is not in force, the log's is; `backup-monitor settings apply` stores the environment's",
		slog.String("in_force", string(inForce)))
}
