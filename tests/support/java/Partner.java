// ActiveMQ's client at the other end of a test: it does what each JSON line of stdin says and answers with one:
// --uri URI [--client-id ID]. The kinds of lines are the cases of obey().

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import javax.jms.Destination;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import javax.jms.Topic;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQDestination;

public final class Partner {
    private static final int SOON_MS = 20_000;

    private final ActiveMQConnection connection;
    private MessageConsumer temporary;

    private Partner(ActiveMQConnection connection) {
        this.connection = connection;
    }

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String clientId = flags.text("client-id", null);
        flags.done();
        if (clientId != null) {
            connection.setClientID(clientId);
        }
        connection.start();
        Partner partner = new Partner(connection);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            Json.print(partner.obey(Json.parse(line)));
        }
        connection.close();
        System.exit(0);
    }

    private ObjectNode obey(JsonNode line) throws Exception {
        String what = line.required("do").textValue();
        boolean transacted = line.has("commit");
        Session session = connection.createSession(transacted, transacted ? Session.SESSION_TRANSACTED
                : Session.AUTO_ACKNOWLEDGE);
        ObjectNode done = Json.object().put("done", what);
        switch (what) {
            case "send": send(session, line); break;
            case "receive": done.set("texts", receive(consumer(session, line), line)); break;
            case "subscribe": consumer(session, line).close(); break;
            case "unsubscribe": session.unsubscribe(line.required("durable").textValue()); break;
            case "request": done.put("reply", request(session, line)); break;
            case "answer": done.put("question", answer(session, line)); break;
            case "temporary": done.put("name", temporary(line)); return done;
            case "receive-temporary": done.set("texts", receive(temporary, line)); break;
            default: throw new IllegalArgumentException("what is " + what + "?");
        }
        if (transacted && line.get("commit").booleanValue()) {
            session.commit();
        } else if (transacted) {
            session.rollback();
        }
        session.close();
        return done;
    }

    /** Sends texts; each with its place as the property n, and with the property region if there is one. */
    private static void send(Session session, JsonNode line) throws Exception {
        MessageProducer producer = session.createProducer(Messages.destination(line.required("to").textValue()));
        int n = 0;
        for (JsonNode text : line.required("texts")) {
            TextMessage message = session.createTextMessage(text.textValue());
            message.setIntProperty("n", n++);
            if (line.has("region")) {
                message.setStringProperty("region", line.get("region").textValue());
            }
            producer.send(message);
        }
    }

    private static MessageConsumer consumer(Session session, JsonNode line) throws Exception {
        Destination from = Messages.destination(line.required("from").textValue());
        String selector = line.path("selector").textValue();
        String durable = line.path("durable").textValue();
        return durable == null ? session.createConsumer(from, selector)
                : session.createDurableSubscriber((Topic) from, durable, selector, false);
    }

    /** So many texts, and then no more for a moment. */
    private static ArrayNode receive(MessageConsumer consumer, JsonNode line) throws Exception {
        ArrayNode texts = Json.array();
        int count = line.required("count").intValue();
        for (int i = 0; i < count; i++) {
            Message message = consumer.receive(SOON_MS);
            if (message == null) {
                throw new IllegalStateException(texts + ", and no more of " + count);
            }
            texts.add(((TextMessage) message).getText());
        }
        Message more = consumer.receive(200);
        if (more != null) {
            texts.add("and more: " + ((TextMessage) more).getText());
        }
        consumer.close();
        return texts;
    }

    private static String request(Session session, JsonNode line) throws Exception {
        Destination replies = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(replies);
        TextMessage question = session.createTextMessage(line.required("text").textValue());
        question.setJMSReplyTo(replies);
        question.setJMSCorrelationID("question 1");
        session.createProducer(Messages.destination(line.required("to").textValue())).send(question);
        TextMessage reply = (TextMessage) consumer.receive(SOON_MS);
        if (reply == null || !"question 1".equals(reply.getJMSCorrelationID())) {
            throw new IllegalStateException("no reply to this question: " + reply);
        }
        return reply.getText();
    }

    private static String answer(Session session, JsonNode line) throws Exception {
        MessageConsumer consumer = session.createConsumer(Messages.destination(line.required("from").textValue()));
        TextMessage question = (TextMessage) consumer.receive(SOON_MS);
        TextMessage reply = session.createTextMessage("re: " + question.getText());
        reply.setJMSCorrelationID(question.getJMSCorrelationID());
        session.createProducer(question.getJMSReplyTo()).send(reply);
        return question.getText();
    }

    /** Makes a temporary destination with a consumer, and says its name. */
    private String temporary(JsonNode line) throws Exception {
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        boolean isTopic = line.required("topic").booleanValue();
        Destination made = isTopic ? session.createTemporaryTopic() : session.createTemporaryQueue();
        temporary = session.createConsumer(made);
        return ((ActiveMQDestination) made).getPhysicalName();
    }
}
