package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

type fields map[string]any

var output sync.Mutex

// tell sends one report, with the time of the machine's one monotonic clock.
func tell(did string, told fields) {
	report := fields{"did": did, "atNs": text(nowNs())}
	for name, value := range told {
		report[name] = value
	}
	send(report)
}

func send(message fields) {
	line, err := json.Marshal(message)
	if err != nil {
		log.Fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		os.Exit(1) // nobody is there to hear it
	}
}

func lines(from io.Reader) func(yield func(string) bool) {
	scanner := bufio.NewScanner(from)
	return func(yield func(string) bool) {
		for scanner.Scan() && yield(scanner.Text()) {
		}
	}
}

// journal is the guarded resource, seen from a candidate: the parent compares the term and appends in one step.
type journal struct {
	mutex   sync.Mutex
	appends int
	waiting map[int]chan bool
}

func newJournal() *journal {
	j := &journal{waiting: map[int]chan bool{}}
	go j.listen()
	return j
}

func (j *journal) listen() {
	for line := range lines(os.Stdin) {
		var answer struct {
			Appended int  `json:"appended"`
			Accepted bool `json:"accepted"`
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			log.Fatal(err)
		}
		j.mutex.Lock()
		answered := j.waiting[answer.Appended]
		delete(j.waiting, answer.Appended)
		j.mutex.Unlock()
		if answered != nil {
			answered <- answer.Accepted
		}
	}
	os.Exit(1) // the parent is gone, and nobody is there to clean up
}

// append says whether the journal has taken the step.
func (j *journal) append(term int, identity string, begin int64) bool {
	answered := make(chan bool, 1)
	j.mutex.Lock()
	j.appends++
	number := j.appends
	j.waiting[number] = answered
	j.mutex.Unlock()
	send(fields{"append": number, "term": term, "identity": identity, "beginNs": text(begin)})
	return <-answered
}

// nowNs is the clock that process.hrtime reads as well.
func nowNs() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		log.Fatal(err)
	}
	return now.Nano()
}

func text(number int64) string {
	return strconv.FormatInt(number, 10)
}
