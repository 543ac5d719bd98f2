// Sends each message described by a JSON line on stdin: --uri URI --to DESTINATION [--user U --password P].

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import javax.jms.DeliveryMode;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQMessageProducer;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.command.ActiveMQMessage;

public final class SendAll {
    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Flags flags = new Flags(arguments);
        ActiveMQConnection connection = Client.connect(flags);
        String to = flags.required("to");
        flags.done();

        // Synchronous: when a send returns, the message was written as the connection was set at that time.
        connection.setAlwaysSyncSend(true);
        connection.start();
        ActiveMQSession session = (ActiveMQSession) connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        ActiveMQMessageProducer producer =
                (ActiveMQMessageProducer) session.createProducer(Messages.destination(to));
        int sent = 0;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            if (!line.isBlank()) {
                send(connection, session, producer, Json.parse(line));
                sent++;
            }
        }
        connection.close();
        Json.print(Json.object().put("sent", sent));
    }

    private static void send(
            ActiveMQConnection connection, ActiveMQSession session, ActiveMQMessageProducer producer, JsonNode node)
            throws Exception {
        connection.setUseCompression(node.path("compressed").asBoolean());
        ActiveMQMessage message = Messages.build(session, node);
        JsonNode headers = node.path("headers");
        int mode = headers.path("persistent").asBoolean(true) ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT;
        producer.send(message, mode, headers.path("priority").asInt(4), headers.path("ttl").asLong(0));
    }
}
