// ActiveMQ's client through failovers: --uri URI --queue NAME --role producer|consumer [--persistent true]. It sends one
// message a millisecond and waits for each answer, or it consumes; and it answers each line on stdin.
//
// after NS:    of the sends: how many were confirmed after that moment, and the longest pause that moment is part of.
// heard LABEL: of the messages with this text: how many came, when the first, when the last.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import javax.jms.DeliveryMode;
import javax.jms.JMSException;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;

public final class Recovering {
    private static final long PERIOD_NS = 1_000_000;
    private static final String BODY = "x".repeat(256);

    /** When each send was confirmed. */
    private static final long[] confirmed = new long[1 << 20];
    private static int sends;
    /** By the text of a message: how many, the first, the last. */
    private static final Map<String, long[]> heard = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String queue = flags.required("queue");
        boolean produces = flags.required("role").equals("producer");
        boolean persistent = flags.flag("persistent", true);
        flags.done();

        connection.setAlwaysSyncSend(true);
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        if (produces) {
            MessageProducer producer = session.createProducer(session.createQueue(queue));
            producer.setDeliveryMode(persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
            Thread sender = new Thread(() -> send(session, producer), "sender");
            sender.setDaemon(true);
            sender.start();
        } else {
            session.createConsumer(session.createQueue(queue)).setMessageListener(message -> {
                long now = System.nanoTime();
                try {
                    note(((TextMessage) message).getText(), now);
                } catch (JMSException unreadable) {
                    throw new IllegalStateException(unreadable);
                }
            });
        }
        connection.start();
        Json.print(Json.object().put("ready", true));
        answer();
        Runtime.getRuntime().halt(0);
    }

    private static void send(Session session, MessageProducer producer) {
        long next = System.nanoTime();
        while (true) {
            waitUntil(next);
            try {
                producer.send(session.createTextMessage(BODY));
            } catch (JMSException failed) {
                failed.printStackTrace();
                return;
            }
            long now = System.nanoTime();
            synchronized (confirmed) {
                confirmed[sends++] = now;
            }
            // What was missed in a pause is not made up for.
            next = Math.max(next + PERIOD_NS, now);
        }
    }

    private static void waitUntil(long time) {
        for (long left; (left = time - System.nanoTime()) > 0; ) {
            if (left > 120_000) {
                LockSupport.parkNanos(left - 60_000);
            } else {
                Thread.onSpinWait();
            }
        }
    }

    private static void note(String text, long now) {
        synchronized (heard) {
            long[] of = heard.computeIfAbsent(text, unused -> new long[] {0, now, now});
            of[0]++;
            of[2] = now;
        }
    }

    private static void answer() throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.trim().split(" ");
            if (words[0].equals("after")) {
                after(Long.parseLong(words[1]));
            } else {
                long[] of;
                synchronized (heard) {
                    of = heard.getOrDefault(words[1], new long[3]).clone();
                }
                Json.print(Json.object().put("count", of[0]).put("first_ns", of[1]).put("last_ns", of[2]));
            }
        }
    }

    private static void after(long moment) throws Exception {
        long count = 0;
        long from = 0;
        long to = 0;
        synchronized (confirmed) {
            for (int i = sends - 1; i > 0 && confirmed[i] > moment; i--) {
                count++;
                // What was answered already when the broker died arrives a little later.
                boolean begins = confirmed[i - 1] <= moment + 2_000_000;
                if (begins && confirmed[i] - confirmed[i - 1] > to - from) {
                    from = confirmed[i - 1];
                    to = confirmed[i];
                }
            }
        }
        Json.print(Json.object().put("count", count).put("from_ns", from).put("to_ns", to));
    }

    private Recovering() {}
}
