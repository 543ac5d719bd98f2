// ActiveMQ's client, one case of sending or receiving: --uri URI --case NAME [--size BYTES]. It answers each line on stdin:
// `run N` sends, or receives, N messages, or sends N over and back; `settle` collects garbage.

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import javax.jms.DeliveryMode;
import javax.jms.JMSException;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.ActiveMQMessageProducer;
import org.apache.activemq.AsyncCallback;

public final class Messaging {
    private static final int BATCH = 100;
    private static final int IN_FLIGHT = 1000;

    private final ActiveMQConnection connection;
    private final ActiveMQConnectionFactory factory;
    private final String what;
    private final String text;

    private Messaging(ActiveMQConnection connection, ActiveMQConnectionFactory factory, String what, int size) {
        this.connection = connection;
        this.factory = factory;
        this.what = what;
        char[] body = new char[size];
        for (int i = 0; i < size; i++) {
            body[i] = (char) ('a' + i % 26);
        }
        this.text = new String(body);
    }

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(flags.required("uri"));
        String what = flags.required("case");
        int size = flags.integer("size", 1024);
        flags.done();
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        connection.start();
        Messaging messaging = new Messaging(connection, factory, what, size);
        Json.print(Json.object().put("ready", true));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.trim().split(" ");
            ObjectNode done = Json.object().put("done", words[0]);
            if (words[0].equals("settle")) {
                System.gc();
            } else {
                messaging.run(Integer.parseInt(words[1]), done);
            }
            Json.print(done);
        }
        Runtime.getRuntime().halt(0);
    }

    private void run(int count, ObjectNode done) throws Exception {
        switch (what) {
            case "sync": send(count, DeliveryMode.PERSISTENT, done); break;
            case "volatile": send(count, DeliveryMode.NON_PERSISTENT, done); break;
            case "pipelined": pipelined(count, done); break;
            case "transacted": transacted(count, done); break;
            case "auto": receive(count, Session.AUTO_ACKNOWLEDGE, done); break;
            case "dups-ok": receive(count, Session.DUPS_OK_ACKNOWLEDGE, done); break;
            case "pingpong": pingPong(count, done); break;
            default: throw new IllegalArgumentException(what);
        }
    }

    private MessageProducer producer(Session session, String queue, int mode) throws JMSException {
        MessageProducer producer = session.createProducer(session.createQueue(queue));
        producer.setDeliveryMode(mode);
        return producer;
    }

    private void send(int count, int mode, ObjectNode done) throws Exception {
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = producer(session, "LOAD", mode);
        long began = System.nanoTime();
        for (int i = 0; i < count; i++) {
            producer.send(session.createTextMessage(text));
        }
        // An answer on the same connection: all before it was taken in.
        session.close();
        finish(done, began);
    }

    private void pipelined(int count, ObjectNode done) throws Exception {
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        ActiveMQMessageProducer producer =
                (ActiveMQMessageProducer) producer(session, "LOAD", DeliveryMode.PERSISTENT);
        Semaphore room = new Semaphore(IN_FLIGHT);
        AsyncCallback answered = new AsyncCallback() {
            @Override public void onSuccess() {
                room.release();
            }

            @Override public void onException(JMSException refused) {
                refused.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        };
        long began = System.nanoTime();
        for (int i = 0; i < count; i++) {
            room.acquire();
            producer.send(session.createTextMessage(text), answered);
        }
        room.acquire(IN_FLIGHT);
        finish(done, began);
        session.close();
    }

    private void transacted(int count, ObjectNode done) throws Exception {
        Session session = connection.createSession(true, Session.SESSION_TRANSACTED);
        MessageProducer producer = producer(session, "LOAD", DeliveryMode.PERSISTENT);
        long began = System.nanoTime();
        for (int i = 1; i <= count; i++) {
            producer.send(session.createTextMessage(text));
            if (i % BATCH == 0) {
                session.commit();
            }
        }
        session.commit();
        finish(done, began);
        session.close();
    }

    private void receive(int count, int mode, ObjectNode done) throws Exception {
        Session session = connection.createSession(false, mode);
        MessageConsumer consumer = session.createConsumer(session.createQueue("LOAD"));
        long began = System.nanoTime();
        for (int i = 0; i < count; i++) {
            if (consumer.receive(60_000) == null) {
                throw new IllegalStateException(i + " of " + count + " have come");
            }
        }
        finish(done, began);
        session.close();
    }

    private void pingPong(int count, ObjectNode done) throws Exception {
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = producer(session, "PING", DeliveryMode.NON_PERSISTENT);
        MessageConsumer replies = session.createConsumer(session.createQueue("PONG"));
        ActiveMQConnection other = (ActiveMQConnection) factory.createConnection();
        other.start();
        Session echoing = other.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer echo = producer(echoing, "PONG", DeliveryMode.NON_PERSISTENT);
        Queue ping = echoing.createQueue("PING");
        echoing.createConsumer(ping).setMessageListener(message -> {
            try {
                echo.send(echoing.createTextMessage(((TextMessage) message).getText()));
            } catch (JMSException failed) {
                throw new IllegalStateException(failed);
            }
        });
        long[] tookNs = new long[count];
        long began = System.nanoTime();
        for (int i = 0; i < count; i++) {
            long since = System.nanoTime();
            producer.send(session.createTextMessage(text));
            if (replies.receive(60_000) == null) {
                throw new IllegalStateException("no answer");
            }
            tookNs[i] = System.nanoTime() - since;
        }
        finish(done, began);
        Arrays.sort(tookNs);
        done.put("p50_us", tookNs[count / 2] / 1000).put("p99_us", tookNs[count * 99 / 100] / 1000);
        other.close();
        session.close();
    }

    private static void finish(ObjectNode done, long began) {
        done.put("seconds", (System.nanoTime() - began) / 1e9);
    }
}
