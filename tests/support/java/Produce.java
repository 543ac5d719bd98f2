// Sends a sequence, each message with the properties pid and seq: --uri URI --to DESTINATION --count N [--size BYTES]
// [--pid NAME] [--persistent false] [--async] [--user U --password P].

import javax.jms.DeliveryMode;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;

public final class Produce {
    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Json.endWithStdin();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String to = flags.required("to");
        String pid = flags.text("pid", "java-" + ProcessHandle.current().pid());
        int count = flags.integer("count", 1);
        String body = "x".repeat(flags.integer("size", 100));
        boolean persistent = flags.flag("persistent", true);
        connection.setUseAsyncSend(flags.flag("async", false));
        flags.done();

        connection.start();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(Messages.destination(to));
        producer.setDeliveryMode(persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
        for (long seq = 0; seq < count; seq++) {
            TextMessage message = session.createTextMessage(body);
            message.setStringProperty("pid", pid);
            message.setLongProperty("seq", seq);
            producer.send(message);
        }
        connection.close();
        Json.print(Json.object().put("sent", count).put("pid", pid));
        System.exit(0);
    }
}
