// A candidate that runs client-go's elector, unmodified, on a Lease of a real API server. It tells its parent what it
// does, one JSON document a line, and its work appends to the parent's guarded journal, as the candidates of
// test/process do.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

type settings struct {
	kubeconfig, namespace, name, identity     string
	leaseDuration, renewDeadline, retryPeriod time.Duration
	stepEvery, step                           time.Duration
	release, show                             bool
}

func parse() (s settings) {
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "the file that leads to the server")
	flag.StringVar(&s.namespace, "namespace", "", "of the Lease")
	flag.StringVar(&s.name, "name", "", "of the Lease")
	flag.StringVar(&s.identity, "identity", "", "of this candidate")
	flag.DurationVar(&s.leaseDuration, "lease-duration", 3*time.Second, "LeaseDuration")
	flag.DurationVar(&s.renewDeadline, "renew-deadline", 2*time.Second, "RenewDeadline")
	flag.DurationVar(&s.retryPeriod, "retry-period", 500*time.Millisecond, "RetryPeriod")
	flag.DurationVar(&s.stepEvery, "step-every", 100*time.Millisecond, "from one step of the work to the next")
	flag.DurationVar(&s.step, "step", 0, "how long a step takes, whatever happens meanwhile")
	flag.BoolVar(&s.release, "release", true, "ReleaseOnCancel")
	flag.BoolVar(&s.show, "show", false, "tells the record as client-go reads it, each time that a line comes in")
	flag.Parse()
	return s
}

func main() {
	s := parse()
	lock, err := open(s)
	if err != nil {
		log.Fatal(err)
	}
	if s.show {
		show(lock)
		return
	}
	campaign(s, lock)
}

// open makes the lock as programs do. Its client gives up a request after half of the renew deadline, 1 s at least.
func open(s settings) (*toldLock, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return nil, err
	}
	identity := resourcelock.ResourceLockConfig{Identity: s.identity}
	kind := resourcelock.LeasesResourceLock
	lock, err := resourcelock.NewFromKubeconfig(kind, s.namespace, s.name, identity, config, s.renewDeadline)
	return &toldLock{Interface: lock}, err
}

// campaign does what programs with client-go do: it ends when it was asked to, and when it has lost the lease.
func campaign(s settings, lock *toldLock) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	journal := newJournal()
	var working sync.WaitGroup
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   s.leaseDuration,
		RenewDeadline:   s.renewDeadline,
		RetryPeriod:     s.retryPeriod,
		ReleaseOnCancel: s.release,
		Name:            s.name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				working.Add(1)
				defer working.Done()
				work(ctx, s, lock, journal)
			},
			OnStoppedLeading: func() { tell("onStoppedLeading", fields{"term": lock.term(), "reason": ""}) },
			OnNewLeader: func(identity string) {
				tell("newLeader", fields{"identity": identity, "term": lock.lastSeen().LeaderTransitions})
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	tell("ready", fields{"identity": s.identity})
	elector.Run(ctx)
	working.Wait()
	tell("settled", fields{"identity": s.identity})
}

// work is what runs while this candidate leads. client-go tells it nothing but its context: neither a term, nor
// whether the lease is still held after the process stood.
func work(ctx context.Context, s settings, lock *toldLock, journal *journal) {
	term := lock.term()
	tell("started", fields{"term": term})
	for ctx.Err() == nil {
		begin := nowNs()
		time.Sleep(s.step)
		outcome := "rejected"
		if journal.append(term, s.identity, begin) {
			outcome = "accepted"
		}
		tell("step", fields{"term": term, "beginNs": text(begin), "outcome": outcome})
		select {
		case <-ctx.Done():
		case <-time.After(s.stepEvery):
		}
	}
	tell("signalled", fields{"term": term})
}

// show answers each line of its input with the record that the lock reads, and with the bytes that electors compare.
func show(lock *toldLock) {
	for range lines(os.Stdin) {
		record, raw, err := lock.Interface.Get(context.Background())
		if err != nil {
			tell("trouble", fields{"where": "read", "message": err.Error()})
			continue
		}
		tell("seen", fields{"record": shown(*record), "compared": string(raw)})
	}
}
